"""The last lines of a recording that grows, as a view shows them."""

from __future__ import annotations

from collections import deque

from ..log.view.ansi import plain
from ..recording.recording import Recording
from ..recording.sources import label_of
from .text import SourceTexts, whole_sequences

#: A view that shows the last lines needs no more of what is new at one look: to read and count all
#: of a flood would slow it down.
TAIL_BYTES = 512 << 10
#: The last lines are looked for in so much of what a source wrote at a stretch.
_LAST_BYTES = 64 << 10
#: A row has at most so many characters.
_ROW_CHARACTERS = 500
#: So much of a line is kept; more is not needed to show that many characters of it.
_LINE_CHARACTERS = 2048
_UTF8_CONTINUATIONS = bytes(range(0x80, 0xC0))


class LastLines:
    """The last lines of all sources, as a view shows them.

    Of much at once, only the end is decoded. Where something was left out, a line is shown from
    its start, or not at all; but of one that never ends, what is there.
    """

    def __init__(self, recording: Recording, count: int, texts: SourceTexts) -> None:
        self._recording = recording
        self._count = count
        self._texts = texts
        self._lines: deque[tuple[int, str]] = deque(maxlen=count)
        self._open: dict[int, str] = {}  # the unfinished line of each source
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
        *complete, rest = (self._open.pop(source, "") + text).split("\n")
        if complete and source in self._cut:
            self._cut.discard(source)
            complete.pop(0)
        self._lines.extend((source, _beginning_of(line)) for line in complete[-self._count :])
        if rest:
            self._open[source] = _beginning_of(rest)

    def _begin_inside(self, source: int, data: bytes) -> bytes:
        """Return data without a piece of a line, a character or an escape sequence at its start."""
        self._texts.forget(source)
        self._open.pop(source, None)
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
        self._after_gap.update(range(len(self._recording.sources)))

    def rows(self) -> list[str]:
        """Return the lines as rows of plain text."""
        lines = [*self._lines, *self._open.items()]
        return [self._row(source, line) for source, line in lines[-self._count :]]

    def _row(self, source: int, line: str) -> str:
        label = label_of(self._recording.sources[source])
        return _shortened((f"[{label}] " if label else "") + plain(line))


def _beginning_of(line: str) -> str:
    """Return what is enough of a line, finished or not, to know what is seen of it."""
    body = line.rstrip("\r")
    line = line[body.rfind("\r") + 1 :]
    if len(line) <= _LINE_CHARACTERS:
        return line
    # Longer than that: whatever else comes of it changes nothing.
    return whole_sequences(line[:_LINE_CHARACTERS]).ljust(_LINE_CHARACTERS + 1, "…")


def _shortened(line: str) -> str:
    if len(line) <= _ROW_CHARACTERS:
        return line
    return whole_sequences(line[: _ROW_CHARACTERS - 1]) + "…"
