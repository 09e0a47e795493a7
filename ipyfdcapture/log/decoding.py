"""From the bytes of a recording to text: each source is decoded on its own."""

from __future__ import annotations

import codecs
import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..recording.recording import Snapshot
from .lines import Lines, Row, content, release_pages

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

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


def is_wide(encoding: str) -> bool:
    """Tell whether a line end is not simply the byte ``\\n`` in this encoding (UTF-16, say)."""
    return "\n".encode(encoding) != b"\n"


def incremental_decoder(encoding: str, errors: str) -> codecs.IncrementalDecoder:
    """Return a decoder of bytes that come in pieces.

    As for `bytes.decode`, UTF-16 and UTF-32 without a byte order mark have the machine's order:
    Python writes no mark to a pipe, and its own incremental decoders insist on one.
    """
    name = codecs.lookup(encoding).name
    if name == "utf-16":
        return _MarkedOrNot(codecs.utf_16_ex_decode, errors)
    if name == "utf-32":
        return _MarkedOrNot(codecs.utf_32_ex_decode, errors)
    return codecs.getincrementaldecoder(encoding)(errors)


class _MarkedOrNot(codecs.BufferedIncrementalDecoder):
    def __init__(
        self,
        decode: Callable[[ReadableBuffer, str, int, bool], tuple[str, int, int]],
        errors: str,
    ) -> None:
        super().__init__(errors)
        self._decode = decode
        self._order = 0  # not known yet; -1 is little endian, 1 big

    def _buffer_decode(self, data: ReadableBuffer, errors: str, final: bool) -> tuple[str, int]:
        text, consumed, order = self._decode(data, errors, self._order, final)
        if consumed:
            self._order = order or (-1 if sys.byteorder == "little" else 1)
        return text, consumed


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
    decoders: dict[int, codecs.IncrementalDecoder] = {}
    data = lines.snapshot.data
    for start in range(0, len(data), DECODE_BYTES):
        for strand, begin, end in lines.pieces(start, min(start + DECODE_BYTES, len(data))):
            if wanted is None or lines.source_of(strand) in wanted:
                if strand not in decoders:
                    decoders[strand] = incremental_decoder(encoding, errors)
                yield decoders[strand].decode(bytes(data[begin:end]))
        release_pages(data)
    for decoder in decoders.values():
        yield decoder.decode(b"", final=True)


def transcode(snapshot: Snapshot, encoding: str, errors: str, complete: bool) -> Snapshot:
    """Return the same log in UTF-8, in memory: in a wide encoding, lines cannot be seen in bytes.

    Parameters
    ----------
    snapshot
        The log as it was written.
    encoding, errors
        As for `bytes.decode`. What an error handler makes of bad bytes is kept (surrogates as
        with ``surrogatepass``).
    complete
        Whether bytes that end in the middle of a character are bad, rather than unfinished.
    """
    decoders: dict[tuple[int, int], codecs.IncrementalDecoder] = {}
    data, times, starts, sources = bytearray(), array("Q"), array("Q"), array("Q")
    gaps: list[int] = []

    def add(text: str, time: int, source: int) -> None:
        times.append(time)
        starts.append(len(data))
        sources.append(source)
        data.extend(text.encode("utf-8", "surrogatepass"))

    ends = [*snapshot.starts, len(snapshot.data)][1:]
    chunks = zip(snapshot.times, snapshot.starts, ends, snapshot.source_numbers, strict=True)
    for time, start, end, source in chunks:
        passed = bisect_right(snapshot.gaps, start)
        gaps += [len(data)] * (passed - len(gaps))
        key = (source, passed)
        if key not in decoders:
            decoders[key] = incremental_decoder(encoding, errors)
        add(decoders[key].decode(bytes(snapshot.data[start:end])), time, source)
    for (source, passed), decoder in decoders.items():
        rest = decoder.decode(b"", final=True) if complete else ""
        if rest and passed == len(gaps):
            add(rest, times[-1], source)
    return Snapshot(
        memoryview(bytes(data)),
        memoryview(times),
        memoryview(starts),
        memoryview(sources),
        snapshot.sources,
        tuple(gaps),
    )
