"""When to nap before reading, so that a fast writer is let run on."""

from __future__ import annotations

from collections import deque

from ..system import clock

#: So many wake-ups within that time mean that a writer writes bit by bit, and fast.
CROWD = 8
CROWD_S = 0.0004
#: A nap was worth it if this much came together, and too long if that much did.
NAP_BYTES = 4 << 10
FLOOD_BYTES = 512 << 10


class Pace:
    """Decides when to nap before reading.

    A line that comes by itself is read at once, so that its time is right, and its place among
    the lines of other pipes. A writer that writes bit by bit and fast is let run on. One that
    fills the pipe during a nap is read without.
    """

    def __init__(self) -> None:
        self._wakes: deque[float] = deque(maxlen=CROWD)
        self._last_moved = 0
        self._flood = FLOOD_BYTES

    def expect(self, capacity: int) -> None:
        """Take note of a pipe that holds ``capacity`` bytes: half of that in a nap is a flood."""
        self._flood = min(self._flood, capacity // 2)

    def calls_for_nap(self) -> bool:
        """Tell whether to nap after this wake-up."""
        now = clock.monotonic()
        self._wakes.append(now)
        if NAP_BYTES <= self._last_moved < self._flood:
            return True
        return len(self._wakes) == CROWD and now - self._wakes[0] < CROWD_S

    def note(self, moved: int) -> None:
        """Take note of the largest chunk that was moved since."""
        self._last_moved = moved
