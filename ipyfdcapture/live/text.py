"""From bytes in pieces to text that may be shown: whole characters, whole escape sequences."""

from __future__ import annotations

import re

from ..log.decoding import SourceDecoders
from ..log.line import Line
from ..log.view.ansi import (
    PLAIN,
    SCREEN_BEGINS,
    SCREEN_ENDS,
    SCREEN_MARK,
    Run,
    cut,
    to_terminal,
)
from ..recording.recording import Recording
from ..recording.tail_reader import Chunk

#: An escape sequence of which more is to come (ECMA-48: CSI; OSC and the other strings).
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]+)?\Z")
#: Longer than this, it is no escape sequence after all.
_LONGEST_SEQUENCE = 4096

#: What says something to a terminal alone, and front ends show as if it were text: titles, links,
#: character sets. (What begins with "ESC [" they know.)
_UNSEEN = re.compile(
    r"\x1b(?:[ -/]+[0-~]|[0-OQ-WYZ\\`-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\)"
)


class SourceTexts:
    """Decodes each source of a recording on its own, into text that may be shown.

    A character or an escape sequence that is cut in two is kept back until the rest comes.
    """

    def __init__(self, recording: Recording) -> None:
        metadata = recording.metadata
        self._decoders = SourceDecoders(metadata.encoding, metadata.errors)
        self._held: dict[int, str] = {}

    def take(self, source: int, data: bytes) -> str:
        """Return the text that can be shown now."""
        text = self._held.pop(source, "") + self._decoders.decode(source, data)
        whole = whole_sequences(text)
        if len(whole) < len(text):
            self._held[source] = text[len(whole) :]
        return whole

    def finish(self) -> dict[int, str]:
        """Return what was kept back, by source: nothing more comes of it."""
        rests = dict(self._decoders.finish())
        return {source: self._held.pop(source, "") + rest for source, rest in rests.items()}

    def forget(self, source: int) -> None:
        """Begin anew: bytes of this source are left out."""
        self._decoders.forget(source)
        self._held.pop(source, None)


class ShownTexts(SourceTexts):
    """The same for front ends, which are no terminals.

    What they do not understand is left out, and what a full-screen program draws, but for a line
    that says so.
    """

    def __init__(self, recording: Recording) -> None:
        super().__init__(recording)
        self._on_screen: set[int] = set()  # sources of which a full-screen program draws

    def take(self, source: int, data: bytes) -> str:
        """See `SourceTexts`."""
        text = super().take(source, data)
        if "\x1b" in text:
            text = _UNSEEN.sub("", text)
        if source in self._on_screen or "\x1b[?" in text:
            return self._without_screens(source, text)
        return text

    def forget(self, source: int) -> None:
        """See `SourceTexts`."""
        super().forget(source)
        self._on_screen.discard(source)

    def _without_screens(self, source: int, text: str) -> str:
        shown: list[str] = []
        while text:
            if source in self._on_screen:
                end = SCREEN_ENDS.search(text)
                # As in a log, it has no more than its line: one that was killed never ends.
                line_end = text.find("\n", 0, end.start() if end else len(text))
                if not end and line_end < 0:
                    break
                self._on_screen.discard(source)
                text = text[end.end() if end and line_end < 0 else line_end + 1 :]
            begin = SCREEN_BEGINS.search(text)
            if not begin:
                shown.append(text)
                break
            shown += text[: begin.start()], SCREEN_MARK, "\n"
            text = text[begin.end() :]
            self._on_screen.add(source)
        return "".join(shown)


def whole_sequences(text: str) -> str:
    """Return the text without the beginning of an escape sequence at its end."""
    cut = _UNFINISHED.search(text, max(0, len(text) - _LONGEST_SEQUENCE))
    return text[: cut.start()] if cut else text


#: A row takes at most so many characters with its colours: each character may have one of its own.
_ROW_CHARACTERS = 1500


def shown_row(runs: list[Run], max_characters: int) -> str:
    """Return the start of a row for a place where all rows are drawn again and again.

    It keeps its colours, unless they take more than the text.
    """
    if sum(len(text) for text, _ in runs) > max_characters:
        runs = [*cut(runs, 0, max_characters - 1), ("…", PLAIN)]
    row = to_terminal(runs)
    return row if len(row) <= _ROW_CHARACTERS else "".join(text for text, _ in runs)


def collapse_redraws(text: str) -> str:
    """Leave out what a later carriage return in the same line overwrites.

    A terminal shows the same before and after; a progress bar that was redrawn a thousand times
    since the last look costs one line.
    """
    if "\r" not in text:
        return text
    return "\n".join(_collapse_line(line) for line in text.split("\n"))


#: Does more than write from the left: moves, erases to the left, beeps.
_MOVES = re.compile(r"[\x00-\x1f\x7f]")
_COLOUR = re.compile(r"\x1b\[[\d;:]*m")
_ERASES_REST = re.compile(r"\x1b\[[02]?K")
_COLOUR_RESET = re.compile(r"\x1b\[0*m")


def _collapse_line(line: str) -> str:
    if line.find("\r", 0, -1) == line.rfind("\r", 0, -1):
        return line  # it is drawn over at most once
    body, end = (line[:-1], "\r") if line.endswith("\r") else (line, "")
    # What comes before the first is not drawn over: where it began is not known here.
    first, *redraws = body.split("\r")
    measure = _width if _MOVES.search(body.replace("\r", "")) else len
    fixed = [first]
    stack: list[tuple[float, str]] = []  # each covers less than the one below it
    for redraw in redraws:
        width = measure(redraw)
        if width < 0:
            fixed += [text for _, text in stack]
            fixed.append(redraw)
            stack.clear()
            continue
        covered = ""
        while stack and stack[-1][0] <= width:
            covered = stack.pop()[1] + covered
        stack.append((width, _colours_left_by(covered) + redraw))
    return "\r".join([*fixed, *(text for _, text in stack)]) + end


def _colours_left_by(text: str) -> str:
    """Return what a text that is not shown would have done to the colours of what follows."""
    if "\x1b" not in text:
        return ""
    colours: list[str] = _COLOUR.findall(text)
    for i in reversed(range(len(colours))):
        if _COLOUR_RESET.fullmatch(colours[i]):
            return "".join(colours[i:])
    return "".join(colours)


def _width(redraw: str) -> float:
    """Return how far a redraw covers what was there before it; -1 if that is not to be told."""
    covers = float("inf") if _ERASES_REST.search(redraw) else 0
    text = _COLOUR.sub("", _ERASES_REST.sub("", redraw))
    return -1 if _MOVES.search(text) else max(covers, len(text))


#: A line longer than this is given in pieces: memory is bounded, whatever is written.
LONGEST_LINE = 1 << 20


class _OpenLine:
    """A line of which more is to come."""

    def __init__(self, number: int, time_ns: int) -> None:
        self.number = number
        self.time_ns = time_ns
        self.parts: list[str] = []
        self.length = 0

    def add(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)


class LineAssembler:
    """Puts together the lines of each source, as they are completed."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._texts = SourceTexts(recording)
        self._open: dict[int, _OpenLine] = {}
        self._count = 0

    def take(self, chunk: Chunk) -> list[Line]:
        """Return the lines that this chunk completes."""
        source = chunk.source
        text = self._texts.take(source, chunk.data)
        if not text:
            return []
        *complete, rest = text.split("\n")
        lines = [self._line(source, part, chunk.time_ns) for part in complete]
        while rest:
            left = LONGEST_LINE - self._opened(source, chunk.time_ns).length
            self._open[source].add(rest[:left])
            if len(rest) > left:
                lines.append(self._line(source, "", 0))
            rest = rest[left:]
        return lines

    def finish(self) -> list[Line]:
        """Return the lines that never got an end."""
        return [
            self._line(source, rest, 0)
            for source, rest in self._texts.finish().items()
            if rest or source in self._open
        ]

    def _opened(self, source: int, time_ns: int) -> _OpenLine:
        if source not in self._open:
            self._count += 1
            self._open[source] = _OpenLine(self._count, time_ns)
        return self._open[source]

    def _line(self, source: int, rest: str, time_ns: int) -> Line:
        line = self._opened(source, time_ns)
        del self._open[source]
        text = "".join([*line.parts, rest]).removesuffix("\r")
        return Line(text, self._recording.sources[source], line.number, line.time_ns)
