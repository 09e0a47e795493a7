"""``--progress``: one line, updated in place."""

from __future__ import annotations

import time

from ..log.view.words import size
from .tail_view import TailView
from .target import Screen


class ProgressView(TailView):
    """One line, updated in place: elapsed, lines, bytes, rate, the last line."""

    def __init__(self, screen: Screen, name: str) -> None:
        super().__init__(screen, 1, name)

    def tick(self) -> None:
        """See `Target`. The time goes on even if nothing comes, until the cell ends."""
        self._changed = self._changed or not self._capture_ended
        super().tick()

    def _now(self) -> list[str]:
        seconds = max(time.monotonic() - self._started, 0.001)
        totals = self._totals
        parts = [
            self._elapsed(),
            *totals.parts(),
            f"{size(totals.nbytes / seconds)}/s",
            *self._last.rows(),
        ]
        return [" · ".join(parts)]

    def _summary(self) -> list[str]:
        return self._now()
