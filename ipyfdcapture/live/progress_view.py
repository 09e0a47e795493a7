"""``--progress``: one line, updated in place."""

from __future__ import annotations

from ..log.view.ansi import plain
from ..log.view.words import size
from .in_place_view import InPlaceView


class ProgressView(InPlaceView):
    """One line, updated in place: elapsed, lines, bytes, rate, the last line."""

    def tick(self) -> None:
        """See `Target`. The time goes on even if nothing comes, until the cell ends."""
        self._changed = self._changed or self._ended is None
        super().tick()

    def rows_now(self) -> list[str]:
        """See `InPlaceView`."""
        seconds = self.elapsed()
        rate = f"{size(self.totals.nbytes / seconds)}/s"
        return [self._line(f"{seconds:.1f} s", *self.totals.parts(), rate)]

    def rows_at_end(self) -> list[str]:
        """See `InPlaceView`."""
        return [self._line(self.summary(" · ", " · "))]

    def _line(self, *parts: str) -> str:
        return " · ".join([*parts, *map(plain, self.last_rows()[-1:])])
