"""``--tail``: the last lines, updated in place."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..recording.recording import Recording
from ..recording.tail_reader import Chunk, by_source
from .last_lines import TAIL_BYTES, LastLines
from .pace import Pace
from .target import Screen
from .text import SourceTexts
from .totals import Totals


class TailView:
    """The last lines, updated in place; at the end, one line that sums up."""

    is_seen = True

    def __init__(self, screen: Screen, tail_lines: int, name: str) -> None:
        self._screen = screen
        self._tail_lines = tail_lines
        self._name = name
        self._pace = Pace()
        self._totals = Totals()
        self._changed = False
        self._capture_ended = False
        self.tail_bytes: int | None = None
        self.error: BaseException | None = None
        self.should_continue: Callable[[], bool]

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        self._started = time.monotonic()
        self._last = LastLines(recording, self._tail_lines, SourceTexts(recording))
        self.tail_bytes = TAIL_BYTES

    def show(self, chunks: list[Chunk]) -> None:
        """See `Target`."""
        for source, data in by_source(chunks):
            self._totals.add(source, data)
            self._last.take(source, data)
        self._changed = True

    def skip(self, count: int) -> None:
        """See `Target`."""
        self._totals.skip(count)
        self._last.skip()

    def tick(self) -> None:
        """See `Target`."""
        if self._changed and self._pace.allows():
            self.catch_up()

    def catch_up(self) -> None:
        """See `Target`."""
        if self._changed:
            self._changed = False
            self._pace.note()
            self._screen.draw(self._now(), final=False)

    def _now(self) -> list[str]:
        return self._last.rows()

    def cleared(self) -> None:
        """See `Target`."""
        self._screen.cleared()

    def capture_ended(self) -> None:
        """See `Target`."""
        self._fold()
        self._capture_ended = True

    def _fold(self) -> None:
        self._screen.draw(self._summary(), final=True)
        self._changed = False

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._started:.1f} s"

    def _summary(self) -> list[str]:
        return [f"{self._totals} in {self._elapsed()}, all in {self._name}"]

    def close(self) -> None:
        """See `Target`."""
        try:
            if self._changed:
                self._fold()
        finally:
            self._screen.close()
