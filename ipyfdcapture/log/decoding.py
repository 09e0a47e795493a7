"""From the bytes of a recording to text: each source is decoded on its own."""

from __future__ import annotations

import codecs
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from .lines import Lines, Row, content, release_pages

#: Decode this much at a time.
DECODE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Reading:
    """A log, or a narrower view of one, at one moment: to be held for one operation only."""

    lines: Lines
    #: Which of the lines.
    indices: Sequence[int]
    #: How the lines are encoded, as for `bytes.decode`.
    encoding: str
    errors: str
    #: Whether it is a whole log.
    whole: bool

    def rows(self) -> Iterator[Row]:
        """Yield its lines."""
        return self.lines.read(self.indices)

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

    def raw_lines(self, wanted: set[int] | None = None) -> Iterator[bytes]:
        """Yield the lines of some sources or of all (None); only the last may lack a line end."""
        previous = b"\n"
        for row in self.rows():
            if wanted is None or row.source in wanted:
                if not previous.endswith(b"\n"):
                    yield b"\n"
                previous = row.raw
                yield row.raw

    def numbers(self, names: Container[str]) -> set[int]:
        """Return the numbers of the sources with these names."""
        return {i for i, name in enumerate(self.lines.snapshot.sources) if name in names}

    def source(self, row: Row) -> str:
        """Return the name of the source of a line."""
        return self.lines.snapshot.sources[row.source]


def decode(
    lines: Lines, encoding: str, errors: str, wanted: set[int] | None = None
) -> Iterator[str]:
    """Decode data in order of arrival, each source on its own.

    A character whose bytes came in two pieces is whole, whatever came between them.

    Parameters
    ----------
    lines
        What to decode.
    encoding, errors
        As for `bytes.decode`.
    wanted
        The numbers of the sources; None for all.
    """
    new_decoder = codecs.getincrementaldecoder(encoding)
    decoders: dict[int, codecs.IncrementalDecoder] = {}
    data = lines.snapshot.data
    for start in range(0, len(data), DECODE_BYTES):
        for strand, begin, end in lines.pieces(start, min(start + DECODE_BYTES, len(data))):
            if wanted is None or lines.source_of(strand) in wanted:
                if strand not in decoders:
                    decoders[strand] = new_decoder(errors)
                yield decoders[strand].decode(bytes(data[begin:end]))
        release_pages(data)
    for decoder in decoders.values():
        yield decoder.decode(b"", final=True)
