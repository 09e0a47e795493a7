"""The order of Python's writes to the two streams of one capture."""

from __future__ import annotations

import contextlib
from typing import Protocol

from ..system import clock
from ..system.pipes import waiting_bytes


class Ordered(Protocol):
    """A stream that takes turns with another."""

    @property
    def pipe(self) -> int:
        """The capture's own pipe, by its write end; -1 if it has none."""

    def flush_partial(self) -> None:
        """Write what waits, if anything does."""


class WriteOrder:
    """Keeps the order in which Python writes to the two streams of one capture.

    They are two pipes, and the system does not tell which was written to first. So a stream that
    takes its turn first waits until the drain has read what the other wrote. That is done while
    it costs little: for a program that changes streams at every line and never pauses, order
    within a burst is lost (``merge`` keeps it always).
    """

    _WAIT_S = 0.05
    _STEP_S = 0.00003
    _FREE_S = 0.1  # may be spent waiting at once, and
    _SHARE = 0.1  # of the time of the capture beyond that

    def __init__(self) -> None:
        self.last: Ordered | None = None
        self._started = clock.monotonic()
        self._spent = 0.0

    def take(self, stream: Ordered) -> None:
        """Let ``stream`` be the one that writes."""
        previous, self.last = self.last, stream
        if previous is None:
            return
        previous.flush_partial()
        start = clock.monotonic()
        if self._spent > self._FREE_S + self._SHARE * (start - self._started):
            return
        pipe = previous.pipe
        if pipe < 0:
            return
        with contextlib.suppress(OSError):  # the capture has ended meanwhile
            while waiting_bytes(pipe) and clock.monotonic() - start < self._WAIT_S:
                clock.sleep(self._STEP_S)
        self._spent += clock.monotonic() - start
