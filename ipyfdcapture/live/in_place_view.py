"""What the views that stand in one place share: they are drawn again, and fold at the end."""

from __future__ import annotations

from collections.abc import Callable

from ..recording.recording import Recording
from ..recording.tail_reader import Chunk, by_source
from ..system import clock
from .last_lines import TAIL_BYTES, LastLines
from .pace import Pace
from .target import Screen
from .text import SourceTexts
from .totals import Totals


class InPlaceView:
    """Lines that stand in one place and are drawn again as more comes.

    At the end they fold to a few. If the captured code failed or was interrupted the last lines
    stay, since they are needed now.

    Parameters
    ----------
    screen
        Where it is shown.
    kept_lines
        How many last lines stay when the code has failed.
    name
        What messages call the log.
    keeps_failures
        Whether they stay at all.
    """

    is_seen = True

    def __init__(
        self, screen: Screen, kept_lines: int, name: str, keeps_failures: bool = True
    ) -> None:
        self._screen = screen
        self._kept_lines = kept_lines
        self._name = name
        self._keeps_failures = keeps_failures
        self._pace = Pace()
        self._changed = False
        self._is_folded = True  # there is nothing yet
        self._ended: float | None = None
        self.totals = Totals()
        self.tail_bytes: int | None = None
        self.error: BaseException | None = None
        self.should_continue: Callable[[], bool]

    # -- for the views ----------------------------------------------------------------------------

    def rows_now(self) -> list[str]:
        """Return what stands there while the capture runs."""
        raise NotImplementedError

    def rows_at_end(self) -> list[str]:
        """Return what stays there once the code has finished."""
        raise NotImplementedError

    def last_rows(self) -> list[str]:
        """Return the last lines."""
        return self._last.rows()

    def elapsed(self) -> float:
        """Return how long (s) the capture has run, or ran."""
        return max((self._ended or clock.monotonic()) - self._started, 0.001)

    def summary(self, after_time: str, between: str) -> str:
        """Return how it ended, how much came, and where it is."""
        metadata = self._recording.metadata
        how = "interrupted after" if metadata.interrupted else "failed after"
        ended = f"{how if metadata.failed else 'finished in'} {self.elapsed():.1f} s"
        return ended + after_time + between.join([*self.totals.parts(), f"all in {self._name}"])

    # -- a target ---------------------------------------------------------------------------------

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        self._started = clock.monotonic()
        self._recording = recording
        self._last = LastLines(recording, self._kept_lines, SourceTexts(recording))
        self.tail_bytes = TAIL_BYTES

    def show(self, chunks: list[Chunk]) -> None:
        """See `Target`."""
        for source, data in by_source(chunks):
            self.totals.add(source, data)
            self._last.take(source, data)
        self._changed = True

    def skip(self, count: int) -> None:
        """See `Target`."""
        self.totals.skip(count)
        self._last.skip()

    def tick(self) -> None:
        """See `Target`."""
        if self._changed and self._pace.allows():
            self._draw()

    def catch_up(self) -> None:
        """See `Target`."""
        if self._changed:
            self._draw()
        self._screen.give_way()

    def _draw(self) -> None:
        self._changed = self._is_folded = False
        self._pace.note()
        self._screen.draw(self.rows_now(), final=False)

    def cleared(self) -> None:
        """See `Target`."""
        self._screen.cleared()

    def capture_ended(self) -> None:
        """See `Target`."""
        self._ended = clock.monotonic()
        self._fold()

    def _fold(self) -> None:
        if self._recording.metadata.failed and self._keeps_failures:
            rows = [*self.last_rows(), self.summary(": ", ", ")]
        else:
            rows = self.rows_at_end()
        self._screen.draw(rows, final=True)
        self._changed = False
        self._is_folded = True

    def close(self) -> None:
        """See `Target`."""
        try:
            if self._changed or not self._is_folded:  # late output
                self._fold()
        finally:
            self._screen.close()
