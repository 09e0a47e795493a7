"""``--tail``: the last lines, updated in place."""

from __future__ import annotations

from .in_place_view import InPlaceView


class TailView(InPlaceView):
    """The last lines, updated in place; of code that has finished, the last one."""

    def rows_now(self) -> list[str]:
        """See `InPlaceView`."""
        return self.last_rows()

    def rows_at_end(self) -> list[str]:
        """See `InPlaceView`."""
        return [*self.last_rows()[-1:], self.summary(": ", ", ")]
