"""A log, or a narrower view of one, at one moment: what every operation reads."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from .decoding import DECODE_BYTES, decode
from .line import Line
from .lines import Lines, Row, content
from .strands import release_pages


@dataclass(frozen=True, slots=True)
class Reading:
    """A log, or a narrower view of one, at one moment. Hold it for one operation only."""

    lines: Lines
    #: Which of the lines.
    indices: Sequence[int]
    #: How the lines are encoded, as for `bytes.decode`.
    encoding: str
    errors: str
    #: Whether it is a whole log.
    whole: bool
    #: When the capture started, and ended (None: it runs): ns since the epoch.
    started: int
    ended: int | None

    def rows(self) -> Iterator[Row]:
        """Yield its lines as they lie in the recording."""
        return self.lines.read(self.indices)

    def make_lines(self, indices: Sequence[int]) -> Iterator[Line]:
        """Yield the lines with the given indices, as users get them."""
        for row in self.lines.read(indices):
            yield Line(self.text(row), self.source(row), row.nth + 1, row.time)

    def line(self, index: int) -> Line:
        """Return one line."""
        return next(self.make_lines((index,)))

    def decode(self, raw: bytes) -> str:
        """Return the text of a line, or of a part of one."""
        return raw.decode(self.encoding, self.errors)

    def text(self, row: Row) -> str:
        """Return the text of a line without its line end."""
        return content(row.raw).decode(self.encoding, self.errors)

    def text_parts(self, wanted: set[int] | None = None) -> Iterator[str]:
        """Yield the text in parts, of some sources or of all (None).

        A whole log gives what was written in order of arrival, a narrower view its lines.
        """
        if self.whole:
            return decode(self.lines, self.encoding, self.errors, wanted)
        return map(self.decode, self.raw_lines(wanted))

    def raw_parts(self) -> Iterator[bytes]:
        """Yield the bytes that `text_parts` decodes, in parts."""
        if not self.whole:
            yield from self.raw_lines()
            return
        data = self.lines.snapshot.data
        for start in range(0, len(data), DECODE_BYTES):
            yield bytes(data[start : start + DECODE_BYTES])
            release_pages(data)

    def raw_lines(self, wanted: set[int] | None = None) -> Iterator[bytes]:
        """Yield the lines of some sources or of all (None); only the last may lack a line end."""
        previous = b"\n"
        for row in self.rows():
            if wanted is None or row.source in wanted:
                if not previous.endswith(b"\n"):
                    yield b"\n"
                previous = row.raw
                yield row.raw

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the log's sources."""
        return self.lines.snapshot.sources

    def numbers(self, names: Container[str]) -> set[int]:
        """Return the numbers of the sources with these names."""
        return {i for i, name in enumerate(self.sources) if name in names}

    def source(self, row: Row) -> str:
        """Return the name of the source of a line."""
        return self.lines.snapshot.sources[row.source]
