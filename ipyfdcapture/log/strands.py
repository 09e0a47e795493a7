"""What each source wrote: stretches of the data of one source, found by the index of chunks.

A *strand* is what one source wrote between two gaps, where bytes are missing: what stands on
either side of a gap is not one line.
"""

from __future__ import annotations

import contextlib
import itertools
import mmap
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from ..recording.mapping import Content
from ..recording.recording import Snapshot

#: Give mapped pages back after this many reads, so that a scan does not fill the memory.
READS_BEFORE_RELEASE = 32
#: The rest of a line is read in parts of this size, ...
PART_BYTES = 1 << 16
#: ... after smaller ones: most lines end soon, and each block of a scan ends in one.
_FIRST_PART_BYTES = 1 << 10

#: Look for the rest of a line in so many chunks at first, and at most.
_FIRST_CHUNKS = 4
_MOST_CHUNKS = 1 << 16


class Piece(NamedTuple):
    """A stretch of data that is all of one strand; `Strands.source_of` returns its source."""

    strand: int
    start: int
    stop: int


class Strands:
    """What each source wrote, in one snapshot.

    Parameters
    ----------
    snapshot
        What to read. It is held for as long as this object lives.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._data = snapshot.data
        self._between_gaps = len(snapshot.gaps) + 1  # so many strands for each source
        self._reads = 0

    def chunks(self, start: int, stop: int) -> tuple[list[int], list[int]]:
        """Return the chunks that a stretch of the data goes through.

        Returns
        -------
        strands
            The strand of each.
        borders
            Where each begins in the stretch, and where the last ends: one number more.
        """
        starts = self.snapshot.starts
        first = bisect_right(starts, start) - 1
        last = bisect_left(starts, stop)
        strands = self.snapshot.source_numbers[first:last].tolist()
        borders = [start, *starts[first + 1 : last], stop]
        gaps = self.snapshot.gaps
        if gaps:
            strands = [
                self._between_gaps * source + bisect_right(gaps, begin)
                for source, begin in zip(strands, borders, strict=False)
            ]
        return strands, borders

    def pieces(self, start: int, stop: int) -> Iterator[Piece]:
        """Cut a stretch of the data where the strand changes."""
        if start >= stop:
            return
        yield from pieces_of(*self.chunks(start, stop))

    def source_of(self, strand: int) -> int:
        """Return the number of the source of a strand."""
        return strand // self._between_gaps

    def end_of(self, strand: int) -> int:
        """Return where in the data a strand is over: at the next gap, or at the end."""
        return (*self.snapshot.gaps, len(self._data))[strand % self._between_gaps]

    def part(self, start: int, stop: int) -> bytes:
        """Return a stretch of the data."""
        self._reads += 1
        if self._reads % READS_BEFORE_RELEASE == 0:
            release_pages(self._data)
        return bytes(self._data[start:stop])


class ChunkIndex:
    """The chunks of each source from a position on: where lines that are open there go on.

    It reads the recording's index once for all lines, in parts, and no further than the longest
    line that is asked for.
    """

    def __init__(self, strands: Strands, position: int) -> None:
        self._strands = strands
        self._position = position
        self._chunks: dict[int, array[int]] = defaultdict(lambda: array("Q"))
        self._next: int | None = None  # the number of the next chunk to read
        self._count = _FIRST_CHUNKS

    def rest_of_line(self, strand: int, position: int) -> Iterator[bytes]:
        """Yield what ``strand`` wrote from ``position`` up to its next newline."""
        size = min(_FIRST_PART_BYTES, PART_BYTES)
        for begin, stop in self._pieces(strand, position):
            while begin < stop:
                part = self._strands.part(begin, min(begin + size, stop))
                if not part:
                    return  # a damaged index leads past the data
                newline = part.find(b"\n")
                if newline >= 0:
                    yield part[: newline + 1]
                    return
                yield part
                begin += len(part)
                size = min(4 * size, PART_BYTES)

    def _pieces(self, strand: int, position: int) -> Iterator[tuple[int, int]]:
        snapshot = self._strands.snapshot
        starts = snapshot.starts
        last = self._strands.end_of(strand)
        chunks = self._chunks[self._strands.source_of(strand)]
        first = bisect_right(starts, position) - 1
        i = 0
        while position < last and (i < len(chunks) or self._read_on()):
            i = bisect_left(chunks, first, i)
            while i < len(chunks):
                start = max(starts[chunks[i]], position)
                i += 1
                while i < len(chunks) and chunks[i] == chunks[i - 1] + 1:
                    i += 1
                following = chunks[i - 1] + 1
                position = starts[following] if following < len(starts) else last
                yield start, min(position, last)

    def _read_on(self) -> bool:
        """Read some more of the index; tell whether there was more."""
        snapshot = self._strands.snapshot
        first = self._next
        if first is None:
            first = bisect_right(snapshot.starts, self._position) - 1
        sources = snapshot.source_numbers[first : first + self._count].tolist()
        for chunk, source in enumerate(sources, first):
            self._chunks[source].append(chunk)
        self._next = first + len(sources)
        self._count = min(2 * self._count, _MOST_CHUNKS)
        return bool(sources)


def pieces_of(strands: list[int], borders: list[int]) -> Iterator[Piece]:
    """Join neighbouring chunks of one strand, as `Strands.chunks` returns them."""
    if strands.count(strands[0]) == len(strands):
        yield Piece(strands[0], borders[0], borders[-1])
        return
    position = 0
    for strand, group in itertools.groupby(strands):
        following = position + len(list(group))
        if borders[position] < borders[following]:
            yield Piece(strand, borders[position], borders[following])
        position = following


def release_pages(data: Content) -> None:
    """Let the system drop the pages of mapped data from memory."""
    if isinstance(data.obj, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        with contextlib.suppress(OSError):  # a sandbox may refuse it
            data.obj.madvise(mmap.MADV_DONTNEED)
