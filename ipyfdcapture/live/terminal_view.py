"""``--live`` in a terminal: the output as it is, within the flood limits."""

from __future__ import annotations

import os
from collections import deque

from ..log.view.moving_rows import MOST_ROWS, UP
from ..recording.recording import Recording
from ..recording.tail_reader import Chunk
from .last_lines import TAIL_BYTES, LastLines
from .pace import Pace
from .target import TargetContext
from .terminal import TerminalScreen, TerminalStream, write_all
from .text import SourceTexts
from .totals import Totals

#: What ends a line that stays unfinished, whatever colours it left.
_END_OF_LINE = b"\x1b[0m\n"


class TerminalView(TerminalStream):
    """Passes the output through up to a limit; then one line counts, and the last lines follow.

    What is drawn over costs nothing: a bar may move for as long as it likes.

    Takes over the descriptors, terminals both; None for one that was closed.
    """

    def __init__(self, stdout: int | None, stderr: int | None, context: TargetContext) -> None:
        super().__init__(stdout, stderr)
        self._context = context
        self._left = context.max_bytes
        self._lines_left = context.max_lines
        self._rows: deque[int] = deque(maxlen=MOST_ROWS)  # what the last ones have cost
        self._unfinished = 0  # what the line has cost that the cursor is in
        self._totals = Totals()
        self._last: LastLines | None = None  # once there is too much to show
        self._is_news = False
        self._pace = Pace()
        fd = self._stderr if self._stdout is None else self._stdout
        self._screen = None if fd is None else TerminalScreen(os.dup(fd))

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        super().open(recording)
        self._texts = SourceTexts(recording)

    def show(self, chunks: list[Chunk]) -> None:
        """See `Target`."""
        for chunk in chunks:
            self._totals.add(chunk.source, chunk.data)
            end = 0 if self._last is not None else self._end_of_what_fits(chunk.data)
            if end:
                super().show([Chunk(chunk.source, chunk.time_ns, chunk.data[:end])])
            if end < len(chunk.data):
                self._begin_to_count().take(chunk.source, chunk.data[end:])

    def _end_of_what_fits(self, data: bytes) -> int:
        """Return how much of what comes next may be shown: whole lines, or what has no end yet."""
        at = 0
        while at < len(data):
            end = data.find(b"\n", at) + 1 or len(data)
            cost = self._cost_of(data[at:end])
            if cost > self._left or not self._lines_left:
                break
            self._left -= cost
            self._unfinished += cost
            if data[end - 1] == 10:
                self._lines_left -= 1
                self._rows.append(self._unfinished)
                self._unfinished = 0
            at = end
        return at

    def _cost_of(self, line: bytes) -> int:
        """Return how much of a line is seen, and give back what it draws over."""
        for up in UP.finditer(line):
            for _ in range(min(int(up[1] or 1), len(self._rows))):
                self._left += self._rows.pop()
                self._lines_left += 1
        body = line.rstrip(b"\r\n")
        if b"\r" in body:
            self._left += self._unfinished
            self._unfinished = 0
        return len(body) - (body.rfind(b"\r") + 1)

    def _begin_to_count(self) -> LastLines:
        if self._last is None:
            fd = self._stderr if self._stdout is None else self._stdout
            if fd is not None and self._unfinished:
                write_all(fd, _END_OF_LINE)
            self._last = LastLines(self._recording, self._context.tail_lines, self._texts)
            self.tail_bytes = TAIL_BYTES
        self._is_news = True
        return self._last

    def skip(self, count: int) -> None:
        """See `Target`."""
        self._totals.skip(count)
        self._begin_to_count().skip()

    def tick(self) -> None:
        """See `Target`."""
        if self._is_news and self._pace.allows():
            self._draw([], final=False)

    def _draw(self, last: list[str], final: bool) -> None:
        self._is_news = False
        self._pace.note()
        if self._screen is not None:
            self._screen.draw(self._totals.rows(self._context.name, last, final), final)

    def catch_up(self) -> None:
        """See `Target`."""
        if self._screen is not None:
            self._screen.give_way()

    def capture_ended(self) -> None:
        """See `Target`."""
        if self._last is not None:
            self._draw(self._last.rows(), final=True)

    def close(self) -> None:
        """See `Target`."""
        try:
            if self._is_news:  # late output
                self.capture_ended()
        finally:
            if self._screen is not None:
                self._screen.close()
            super().close()
