"""How often a view may send something."""

from __future__ import annotations

from collections import deque

from ..system import clock

#: What Jupyter Server and browsers take without strain.
MESSAGES_PER_S = 10
_SECOND_S = 1.0


class Pace:
    """Allows at most `MESSAGES_PER_S` in any one second."""

    def __init__(self) -> None:
        self._sent: deque[float] = deque(maxlen=MESSAGES_PER_S)

    def allows(self) -> bool:
        """Tell whether one more may be sent now."""
        full = len(self._sent) == MESSAGES_PER_S
        return not full or clock.monotonic() - self._sent[0] >= _SECOND_S

    def left(self) -> int:
        """Return how many may be sent now."""
        now = clock.monotonic()
        return MESSAGES_PER_S - sum(now - sent < _SECOND_S for sent in self._sent)

    def note(self) -> None:
        """Count one that is sent."""
        self._sent.append(clock.monotonic())
