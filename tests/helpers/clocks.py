"""Workers whose clock is wrong, and is set while they run; and what a log of them must show."""

from __future__ import annotations

import datetime
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .native import Native
from .wait import LIMIT_S, eventually

HOUR_S = 3600
_NS = 1_000_000_000
#: A mark that was asked for and answered within this time tells a clock well enough.
_QUICK_NS = 200_000_000


class ShiftedClock:
    """A clock for processes that are started with `env`, and for all that they start."""

    def __init__(self, native: Native, directory: Path, ahead_s: int) -> None:
        if sys.platform != "linux":
            pytest.skip("needs LD_PRELOAD")
        self._path = directory / "clock"
        self._path.write_bytes(bytes(8))
        self.env = {
            "LD_PRELOAD": native.c("shifted_clock"),
            "SHIFTED_CLOCK": str(self._path),
        }
        self.set(ahead_s)

    def set(self, ahead_s: int) -> None:
        """Set it, for those that run too: it is so far (s) ahead."""
        self.ahead_ns = ahead_s * _NS
        with open(self._path, "r+b") as file:  # processes have it mapped
            file.write(struct.pack("=q", self.ahead_ns))


class WrongClockCheck:
    """Has two workers write in turns, one of them with a shifted clock, and checks the log.

    Parameters
    ----------
    log
        The log of both, which nobody else writes into.
    clock
        That of the second.
    say
        Has a worker, by its name, write ``native NUMBER``, and waits for that.
    names
        The names of the two.
    """

    def __init__(
        self,
        log: Any,
        clock: ShiftedClock,
        say: Callable[[str, int], object],
        names: tuple[str, str],
    ) -> None:
        self._log = log
        self._clock = clock
        self._say = say
        self._names = names
        self._said: list[str] = []

    def say(self, number: int) -> None:
        """Have the one with the shifted clock write, whatever is known of its clock."""
        self._say(self._names[1], number)
        self._said.append(f"native {number}")

    def write_in_turns(self, numbers: range) -> None:
        """Have both write; their lines must be in order, and have the times at which they came."""
        log = self._log
        self._await_known_clock()
        began = time.time_ns() - _QUICK_NS
        for number in numbers:
            self._say(self._names[number % 2], number)
            self._said.append(f"native {number}")
            # A helper that has no processor at the moment records it later than it was written.
            assert log.fetch(LIMIT_S), log.workers()
        ended = time.time_ns() + _QUICK_NS
        assert self._lines(log) == self._said
        latest = [line for line in log if line in self._said[-len(numbers) :]]
        assert all(began < line.time_ns < ended for line in latest), [began, latest, ended]
        assert self._lines(log.between(_moment(began), _moment(ended)))[-len(numbers) :] == latest

    def _await_known_clock(self) -> None:
        """Wait until the log knows the shifted clock well."""

        def is_known() -> bool:
            clocks = [member.clock for member in list(self._log._collector._members.values())]
            return any(
                clock.uncertainty_ns < _QUICK_NS
                and abs(clock.ns - self._clock.ahead_ns) < _QUICK_NS
                for clock in clocks
            )

        eventually(is_known, "a quick answer of the one with the shifted clock")

    def check_found(self, found: Any) -> None:
        """Check lines that were found where they are: all, with the times at which they came."""
        assert sorted(self._lines(found)) == sorted(self._said)
        assert all(abs(line.time_ns - time.time_ns()) < HOUR_S / 2 * _NS for line in found)

    def check_the_rest(self) -> None:
        """Check what else depends on time."""
        log = self._log
        assert {each.trouble for each in log.workers()} == {""}, log.workers()
        assert all((each.silent_s or 0) < HOUR_S / 2 for each in log.workers())
        count, rates = len(log), log.rate()
        assert count <= sum(each.lines for each in rates) <= len(log)
        assert sum(each.seconds for each in rates) < HOUR_S / 2
        self.check_found(log)

    def _lines(self, log: Any) -> list[str]:
        return [line for line in log if line in self._said]


def _moment(time_ns: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(time_ns / _NS)
