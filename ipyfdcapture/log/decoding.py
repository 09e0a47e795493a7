"""From bytes to text, with one decoder for each source.

A character whose bytes came in two pieces is whole, whatever another source wrote in between.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from .strands import Strands, release_pages

#: Decode this much at a time.
DECODE_BYTES = 1 << 20


class SourceDecoders:
    """Decodes pieces of several sources, each source on its own.

    Parameters
    ----------
    encoding, errors
        As for `bytes.decode`.
    """

    def __init__(self, encoding: str, errors: str) -> None:
        self._new_decoder = codecs.getincrementaldecoder(encoding)
        self._errors = errors
        self._decoders: dict[int, codecs.IncrementalDecoder] = {}

    def decode(self, source: int, data: bytes, final: bool = False) -> str:
        """Return the text that is whole by now; with ``final``, no more bytes will come."""
        decoder = self._decoders.get(source)
        if decoder is None:
            decoder = self._decoders[source] = self._new_decoder(self._errors)
        return decoder.decode(data, final)

    def finish(self) -> Iterator[tuple[int, str]]:
        """Yield each source and the text of bytes of it that never became a character."""
        for source in self._decoders:
            yield source, self.decode(source, b"", final=True)

    def forget(self, source: int) -> None:
        """Drop the unfinished character of a source: bytes that follow it are left out."""
        self._decoders.pop(source, None)


def decode(
    strands: Strands, encoding: str, errors: str, wanted: set[int] | None = None
) -> Iterator[str]:
    """Decode data in order of arrival, each source on its own.

    Parameters
    ----------
    strands
        What to decode. No character is put together across a gap.
    encoding, errors
        As for `bytes.decode`.
    wanted
        The numbers of the sources; None for all.

    Yields
    ------
    str
        The text, in parts.
    """
    decoders = SourceDecoders(encoding, errors)
    data = strands.snapshot.data
    for start in range(0, len(data), DECODE_BYTES):
        for strand, begin, end in strands.pieces(start, min(start + DECODE_BYTES, len(data))):
            if wanted is None or strands.source_of(strand) in wanted:
                yield decoders.decode(strand, bytes(data[begin:end]))
        release_pages(data)
    for _, rest in decoders.finish():
        yield rest
