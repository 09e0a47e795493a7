"""The time of a log, and how far a worker's clock is from it."""

from __future__ import annotations

from ..system import clock


class LogClock:
    """The time of one log: this machine's, but never set back.

    Where this machine's clock is set ahead, or the machine has slept, the log follows. Where it is
    set back, the log goes on as if it were not: what is written later has a later time, and nobody
    waits until the clock is again where it was.
    """

    def __init__(self) -> None:
        self._ahead = -1 << 63
        self.now()

    def now(self) -> int:
        """Return the time, in ns since the epoch."""
        # In this order: whatever comes between the two only makes the difference too small.
        since_epoch, steady = clock.time_ns(), clock.monotonic_ns()
        self._ahead = max(self._ahead, since_epoch - steady)
        return steady + self._ahead


class ClockOffset:
    """The difference of two clocks, narrowed by each question and answer.

    An answer's time lies between the question's and the answer's arrival here, so each gives a
    stretch in which the difference must lie, and all of them together a shorter one. Clocks that
    may agree are taken to do so: those of one machine do, and machines keep theirs closer to each
    other than a busy network can measure.
    """

    def __init__(self) -> None:
        self._least, self._most = -(1 << 63), 1 << 63

    def note(self, asked: int, answered: int, theirs: int) -> None:
        """Take the times (ns) of a question and its answer here, and of the answer there."""
        least, most = theirs - answered, theirs - asked
        if least > self._most or most < self._least:  # one of the clocks was set, or drifts
            self._least, self._most = least, most
            return
        self._least, self._most = max(self._least, least), min(self._most, most)

    @property
    def ns(self) -> int:
        """What to take from a time of theirs to get one of ours."""
        if self._least <= 0 <= self._most:
            return 0
        return (self._least + self._most) // 2

    @property
    def uncertainty_ns(self) -> int:
        """How long the stretch is in which the difference lies."""
        return self._most - self._least
