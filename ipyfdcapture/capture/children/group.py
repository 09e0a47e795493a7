"""Many child programs that run at once."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import subprocess
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...checks import check_flags, check_function, check_positive
from ...log.captured import Captured
from ...system import clock
from ...system.interrupts import LONGEST_WAIT_S, deferred_interrupts
from .callbacks import OnLine
from .child import Args, Child, checked_args, start_child
from .child_log import ChildLog, current_log
from .labels import WORD, check_label, labels_of, program_name

#: Descriptors that one child takes: two pipes, one to wait for its end, and one to spare.
_FDS_PER_CHILD = 4
#: Descriptors that are left to the rest of the program.
_FDS_LEFT = 128
#: The pipes of so many that have ended are let go of at once: it takes an answer of the helper.
_LET_GO = 16
#: Where the system cannot tell when a child ends: how often to look.
_POLL_S = 0.02


@dataclass(frozen=True)
class Result:
    """What became of one child of `run_all`."""

    label: str
    args: Any
    #: As in `subprocess.Popen`: negative for a signal. None if it could not be started.
    returncode: int | None
    #: Why it could not be started.
    error: OSError | None
    #: How long it ran, in seconds.
    duration: float


class Outcome(NamedTuple):
    """What `run_all` returns."""

    results: list[Result]
    captured: Captured


def run_all(
    commands: Iterable[Args] | Mapping[str, Args],
    *,
    max_parallel: int | None = None,
    on_line: OnLine | None = None,
    tty: bool = False,
    **options: Any,
) -> Outcome:
    """Run many programs at once, and wait for all of them.

    If it is left by an exception, such as an interrupt, the programs that run are killed.

    Parameters
    ----------
    commands
        The programs with their arguments, each as for `popen`; or a dictionary of them by label.
    max_parallel
        How many run at a time. None: all at once, as far as descriptors suffice.
    on_line
        Called with each line of each, as in `popen`.
    tty
        Whether each has terminals in place of pipes, as in `popen`.
    options
        Given to `subprocess.Popen` for each.

    Returns
    -------
    Outcome
        ``results``, a `Result` each in the order of ``commands``, also for programs that could not
        be started, and ``captured``, what all of them wrote. It is in the active capture too, if
        there is one.

    Raises
    ------
    ValueError
        A label cannot name a source, ``max_parallel`` is less than 1, or ``PIPE`` was asked for.
    CaptureError
        There is no active capture and no recording can be made.
    """
    with _Group(commands, max_parallel, on_line, tty, options) as group:
        while group.advance():
            group.wait_for_an_end()
        return group.outcome()


async def run_all_async(
    commands: Iterable[Args] | Mapping[str, Args],
    *,
    max_parallel: int | None = None,
    on_line: OnLine | None = None,
    tty: bool = False,
    **options: Any,
) -> Outcome:
    """`run_all` for `asyncio`: other tasks run meanwhile, and a cancellation kills the programs."""
    with _Group(commands, max_parallel, on_line, tty, options) as group:
        while group.advance():
            await group.wait_for_an_end_async()
        return group.outcome()


class _Group:
    """Programs that are run together, some of them at a time, in a ``with`` block.

    If that fails, those that run are killed.
    """

    def __init__(
        self,
        commands: Iterable[Args] | Mapping[str, Args],
        max_parallel: int | None,
        on_line: OnLine | None,
        tty: bool,
        options: dict[str, Any],
    ) -> None:
        check_positive("max_parallel", max_parallel, none=True)
        check_function("on_line", on_line)
        check_flags(tty=tty)
        if subprocess.PIPE in (options.get("stdout"), options.get("stderr")):
            raise ValueError("run_all captures stdout and stderr: PIPE is not possible")
        self._max_parallel = max_parallel or _room_for_children()
        self._on_line = on_line
        self._tty = tty
        self._options = options
        commands = _checked_commands(commands)
        self._log = current_log(of_a_group=True)
        self._results: dict[int, Result] = {}
        self._waiting = deque(enumerate(_labelled(commands, self._log)))
        self._running: dict[int, _Running] = {}
        self._ended = 0  # whose pipes were not let go of

    def __enter__(self) -> _Group:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._log:
            if kind is not None:
                self._give_up()

    def advance(self) -> bool:
        """Note who has ended, start who may start; tell whether any runs."""
        # An interrupted `Popen.poll` may keep its lock, and the next would wait for it for ever.
        with deferred_interrupts():
            for number, running in list(self._running.items()):
                if running.has_ended():
                    self._results[number] = running.result()
                    del self._running[number]
                    self._ended += 1
        if self._ended >= min(_LET_GO, self._max_parallel):
            self._ended = 0
            self._log.captured.recording.update()
        while self._waiting and len(self._running) < self._max_parallel:
            number, (label, args) = self._waiting.popleft()
            self._start(number, label, args)
        return bool(self._running)

    def _start(self, number: int, label: str, args: Args) -> None:
        started = clock.monotonic()
        with deferred_interrupts():  # one that is started is one that is killed
            try:
                child = start_child(self._log, args, label, self._on_line, self._tty, self._options)
            except OSError as error:
                self._results[number] = Result(label, args, None, error, 0.0)
            else:
                self._running[number] = _Running(child, started)

    def wait_for_an_end(self) -> None:
        """Return when a program may have ended."""
        waiter = select.poll()
        for running in self._running.values():
            if running.pidfd is None:
                clock.sleep(_POLL_S)
                return
            waiter.register(running.pidfd, select.POLLIN)
        waiter.poll(LONGEST_WAIT_S * 1000)

    async def wait_for_an_end_async(self) -> None:
        """Return when a program may have ended."""
        import asyncio  # heavy, and of use here alone

        pidfds = [each.pidfd for each in self._running.values() if each.pidfd is not None]
        if len(pidfds) < len(self._running):
            await asyncio.sleep(_POLL_S)
            return
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        for pidfd in pidfds:
            loop.add_reader(pidfd, ended.set)
        try:
            await ended.wait()
        finally:
            for pidfd in pidfds:
                loop.remove_reader(pidfd)

    def outcome(self) -> Outcome:
        """Return what became of all."""
        self._log.end_group()
        results = [self._results[number] for number in sorted(self._results)]
        return Outcome(results, self._log.of_children())

    def _give_up(self) -> None:
        """Kill those that still run; nobody will have what they wrote.

        One that may not be killed (sudo makes such) is left alone.
        """
        killed: list[Child] = []
        with deferred_interrupts():
            for running in self._running.values():
                with contextlib.suppress(OSError):
                    running.child.kill()
                    killed.append(running.child)
            for child in killed:
                child.wait()
            for running in self._running.values():
                running.close()
            self._running.clear()
            self._log.give_up()


class _Running:
    """A program of a group that runs."""

    def __init__(self, child: Child, started: float) -> None:
        self.child = child
        #: Becomes readable when the program ends. None if the system has no such thing.
        self.pidfd: int | None = None
        self._started = started
        with contextlib.suppress(OSError, AttributeError):
            self.pidfd = os.pidfd_open(child.pid)

    def has_ended(self) -> bool:
        return self.child.poll() is not None

    def result(self) -> Result:
        self.close()
        child = self.child
        duration = clock.monotonic() - self._started
        return Result(child.label, child.args, child.returncode, None, duration)

    def close(self) -> None:
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None


def _checked_commands(
    commands: Iterable[Args] | Mapping[str, Args],
) -> list[Args] | dict[str, Args]:
    if isinstance(commands, Mapping):
        for label in commands:
            check_label(label)
        return {label: checked_args(args) for label, args in commands.items()}
    if isinstance(commands, WORD) or not isinstance(commands, Iterable):
        raise ValueError(f"commands are several programs with their arguments, not {commands!r}")
    return [checked_args(args) for args in commands]


def _labelled(commands: list[Args] | dict[str, Args], log: ChildLog) -> Iterable[tuple[str, Args]]:
    if isinstance(commands, dict):
        return commands.items()
    labels = labels_of(log.captured.recording)
    return [(labels.take(program_name(args)), args) for args in commands]


def _room_for_children() -> int:
    """Return how many children this process has descriptors for."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        soft = 1 << 20
    return int(max(1, (soft - _FDS_LEFT) // _FDS_PER_CHILD))
