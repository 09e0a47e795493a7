"""From bytes in pieces to text that may be shown: whole characters, whole escape sequences."""

from __future__ import annotations

import codecs
import re

from ..captured import Line
from ..recording import Recording
from .following import Chunk

#: An escape sequence of which more is to come (ECMA-48: CSI; OSC and the other strings).
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?)?\Z")
#: Longer than this, it is no escape sequence after all.
_LONGEST_SEQUENCE = 4096


class TextPieces:
    """Decodes the bytes of one source; keeps back a character or sequence that is cut in two."""

    def __init__(self, encoding: str, errors: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._held = ""

    def take(self, data: bytes, final: bool = False) -> str:
        """Return the text that can be shown now."""
        text = self._held + self._decoder.decode(data, final)
        self._held = ""
        if not final:
            cut = _UNFINISHED.search(text, max(0, len(text) - _LONGEST_SEQUENCE))
            if cut:
                text, self._held = text[: cut.start()], text[cut.start() :]
        return text


def collapse_redraws(text: str) -> str:
    """Leave out what a later carriage return in the same line overwrites.

    A terminal shows the same before and after; a progress bar that was redrawn a thousand times
    since the last look costs one line.
    """
    if "\r" not in text:
        return text
    return "\n".join(_collapse_line(line) for line in text.split("\n"))


def _collapse_line(line: str) -> str:
    body, end = (line[:-1], "\r") if line.endswith("\r") else (line, "")
    first, *redraws = body.split("\r")
    if len(redraws) < 2:
        return line
    shown = ""
    for redraw in redraws:
        # Where it moves or colours, what of the last remains cannot be told here.
        shown = redraw if "\x1b" in redraw else redraw + shown[len(redraw) :]
    return f"{first}\r{shown}{end}"


class Lines:
    """Puts together the lines of each source, as they are completed."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._pieces: dict[int, TextPieces] = {}
        self._open: dict[int, tuple[str, int, int]] = {}  # text, number, time
        self._count = 0

    def take(self, chunk: Chunk) -> list[Line]:
        """Return the lines that this chunk completes."""
        source = chunk.source
        if source not in self._pieces:
            facts = self._recording.facts
            self._pieces[source] = TextPieces(facts["encoding"], facts["errors"])
        text = self._pieces[source].take(chunk.data)
        if not text:
            return []
        *complete, rest = text.split("\n")
        lines = [self._line(source, part, chunk.time_ns) for part in complete]
        if rest:
            before, number, time_ns = self._opened(source, chunk.time_ns)
            self._open[source] = (before + rest, number, time_ns)
        return lines

    def finish(self) -> list[Line]:
        """Return the lines that never got an end."""
        lines = []
        for source, pieces in self._pieces.items():
            rest = pieces.take(b"", final=True)
            if rest or source in self._open:
                lines.append(self._line(source, rest, 0))
        return lines

    def _opened(self, source: int, time_ns: int) -> tuple[str, int, int]:
        if source in self._open:
            return self._open.pop(source)
        self._count += 1
        return "", self._count, time_ns

    def _line(self, source: int, rest: str, time_ns: int) -> Line:
        before, number, time_ns = self._opened(source, time_ns)
        text = (before + rest).removesuffix("\r")
        return Line(text, self._recording.sources[source], number, time_ns)


def is_stderr(source: str) -> bool:
    """Tell whether a source is shown as ``stderr``."""
    return source == "stderr" or source.endswith("/stderr")


def label_of(source: str) -> str:
    """Return the label of a labelled child's source, or an empty string."""
    label, slash, _ = source.rpartition("/")
    return label if slash else ""


def plain(text: str) -> str:
    """Return one line's text without what would drive a terminal or hide in a page."""
    text = _SEQUENCES.sub("", text.rpartition("\r")[2])
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text.expandtabs())


_SEQUENCES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])"
)


def count(number: float, unit: str) -> str:
    """Return ``1 line``, ``2,000 lines``."""
    return f"{number:,.0f} {unit}" + ("" if number == 1 else "s")


def size(number: float) -> str:
    """Return a size in bytes for people: ``1.2 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError("unreachable")
