"""The last lines of a recording that grows, as a view shows them."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from ..log.view.ansi import PLAIN, Run, Style, has_moves, runs_of, sgr_of, style_after, to_terminal
from ..log.view.moving_rows import UP_TEXT, MovingRows
from ..recording.recording import Recording
from ..recording.sources import label_of
from .text import SourceTexts, shown_row, whole_sequences

#: A view that shows the last lines needs no more of what is new at one look: to read and count all
#: of a flood would slow it down.
TAIL_BYTES = 512 << 10
#: The last lines are looked for in so much of what a source wrote at a stretch.
_LAST_BYTES = 64 << 10
#: So many rows can be drawn over. More bars fit on no screen.
_REACH_ROWS = 50
#: A row has at most so many characters.
_ROW_CHARACTERS = 500
#: So much of a line is kept; more is not needed to show that many characters of it.
_LINE_CHARACTERS = 2048
_UTF8_CONTINUATIONS = bytes(range(0x80, 0xC0))


class _Line(NamedTuple):
    """A line, finished or not."""

    source: int
    #: In which it begins.
    style: Style
    text: str


class LastLines:
    """The last lines of all sources, as a view shows them.

    Of much at once, only the end is decoded. Where something was left out, a line is shown from
    its start, or not at all; but of one that never ends, what is there.
    """

    def __init__(self, recording: Recording, count: int, texts: SourceTexts) -> None:
        self._recording = recording
        self._count = count
        self._texts = texts
        self._lines: deque[_Line] = deque(maxlen=count)
        self._open: dict[int, _Line] = {}  # the unfinished line of each source, if only its style
        self._moving: dict[int, MovingRows] = {}  # of sources that draw over their last rows
        self._cut: set[int] = set()  # sources whose unfinished line has lost its start
        self._after_gap: set[int] = set()  # sources of which nothing came since

    def take(self, source: int, data: bytes) -> None:
        """Take what a source wrote."""
        if len(data) > _LAST_BYTES:
            self._lines.clear()  # what is left out stood between those and what is shown now
            data = self._begin_inside(source, data[-_LAST_BYTES:])
        elif source in self._after_gap:
            data = self._begin_inside(source, data)
        self.take_text(source, self._texts.take(source, data))

    def take_text(self, source: int, text: str) -> None:
        """The same for what is decoded."""
        if source in self._moving or UP_TEXT.search(text):
            self._take_moving(source, text)
        else:
            self._take_lines(source, text)

    def _take_moving(self, source: int, text: str) -> None:
        """Take text of a source that draws over its last rows, until it goes on below them."""
        rows = self._moving.get(source)
        if rows is None:
            rows = self._moving[source] = self._rows_of(source)
        rows.write(text[-_LAST_BYTES:])
        rows.take_above(_REACH_ROWS)
        has_ended = rows.is_at_end and "\n" in text and not UP_TEXT.search(text)
        if has_ended or sum(map(len, rows.rows)) > _LAST_BYTES:
            del self._moving[source]
            for row in rows.rows:
                self._lines.append(_Line(source, PLAIN, to_terminal(row.runs())))

    def _rows_of(self, source: int) -> MovingRows:
        """Take the lines of a source out of the others, as rows."""
        lines = [line for line in self._lines if line.source == source]
        others = [line for line in self._lines if line.source != source]
        self._lines = deque(others, maxlen=self._count)
        rows = MovingRows(sgr_of(line.style) + line.text for line in lines)
        opened = self._open.pop(source, None)
        if opened is not None and opened.text:
            rows.write(sgr_of(opened.style) + opened.text)
        return rows

    def _take_lines(self, source: int, text: str) -> None:
        _, style, opened = self._open.pop(source, _Line(source, PLAIN, ""))
        *complete, rest = (opened + text).split("\n")
        last = complete[-self._count :]
        if complete and source in self._cut:
            self._cut.discard(source)
            last = complete[1:][-self._count :]
        style = style_after("\n".join(complete[: len(complete) - len(last)]), style)
        for line in last:
            self._lines.append(_beginning_of(_Line(source, style, line)))
            style = style_after(line, style)
        self._open[source] = _beginning_of(_Line(source, style, rest))

    def _begin_inside(self, source: int, data: bytes) -> bytes:
        """Return data without a piece of a line, a character or an escape sequence at its start."""
        self._texts.forget(source)
        self._open.pop(source, None)
        self._moving.pop(source, None)
        start = data.find(b"\n") + 1
        if start:
            self._cut.discard(source)
            self._after_gap.discard(source)
            return data[start:]
        self._cut.add(source)
        data = data[max(data.find(b"\x1b"), 0) :].lstrip(_UTF8_CONTINUATIONS)
        if data:
            self._after_gap.discard(source)
        return data

    def skip(self) -> None:
        """Something is left out before what comes next."""
        self._lines.clear()
        self._open.clear()
        self._moving.clear()
        self._after_gap.update(range(len(self._recording.sources)))

    def rows(self) -> list[str]:
        """Return the lines as rows of harmless text in their colours."""
        lines = [*self._lines, *(line for line in self._open.values() if line.text)]
        shown = [(line.source, runs_of(line.text, line.style)[0]) for line in lines[-self._count :]]
        for source, moving in self._moving.items():
            rows = moving.rows
            if rows and not len(rows[-1]):  # it is yet to be written
                rows = rows[:-1]
            shown += [(source, row.runs()) for row in rows[-self._count :]]
        return [self._row(source, runs) for source, runs in shown[-self._count :]]

    def _row(self, source: int, runs: list[Run]) -> str:
        label = label_of(self._recording.sources[source])
        mark = [(f"[{label}] ", PLAIN)] if label else []
        return shown_row(mark + runs, _ROW_CHARACTERS)


def _beginning_of(line: _Line) -> _Line:
    """Return what is enough of a line to know what is seen of it."""
    start = line.text.rstrip("\r").rfind("\r") + 1
    style = style_after(line.text[:start], line.style)
    text = line.text[start:]
    if len(text) > _LINE_CHARACTERS and has_moves(text):
        text = to_terminal(runs_of(text, style)[0])  # of a spinner, little is seen
        style = PLAIN
    if len(text) > _LINE_CHARACTERS:
        # Whatever else comes of it changes nothing.
        text = whole_sequences(text[:_LINE_CHARACTERS]).ljust(_LINE_CHARACTERS + 1, "…")
    return _Line(line.source, style, text)
