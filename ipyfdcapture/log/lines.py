"""Where the lines of a recording are, found without reading what was not asked for.

A line belongs to one source: bytes of another source between its start and its end do not cut
it. Lines are ordered by where their first byte lies. So, at any place in the data,

    lines started = newlines so far + sources that are in the middle of a line

which is what `LineIndex` keeps for every `BLOCK_BYTES` of data. From there each block can be
read on its own.
"""

from __future__ import annotations

import itertools
import mmap
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from ..recording.recording import Snapshot
from ..system.interrupts import deferred_interrupts

#: One entry of the index covers this much: a line is found by splitting this many bytes.
BLOCK_BYTES = 1 << 16
#: Give mapped pages back after this many reads, so that a scan does not fill the memory.
READS_BEFORE_RELEASE = 32

#: Look for the rest of a line in so many chunks at first, and at most.
_FIRST_CHUNKS = 64
_MOST_CHUNKS = 1 << 16

_NEWLINE = 0x0A


class Row(NamedTuple):
    """One line as it lies in the recording."""

    #: Counted from 0.
    nth: int
    #: Its bytes, with the line end if it has one.
    raw: bytes
    #: The number of its source.
    source: int
    #: When its first byte was read: ns since the epoch.
    time: int
    #: How many bytes are missing in the middle of ``raw``: only its start and its end were wanted.
    left_out: int = 0


class Piece(NamedTuple):
    """A stretch of data that is all of one strand.

    A strand is what one source wrote between two gaps, where bytes are missing: what stands on
    either side of a gap is not one line. `Lines.source_of` tells the source.
    """

    strand: int
    start: int
    stop: int


@dataclass(slots=True)
class Batch:
    """Lines that start in one piece."""

    #: The index of the first.
    first: int
    #: Where it starts in the data.
    start: int
    #: The number of their source.
    source: int
    #: Whole lines, each with its newline.
    body: bytes
    #: One more line, if the piece ends in the middle of it: so much of it as lies in the piece.
    begun: bytes
    #: Yields what follows ``begun``, up to the newline: from later pieces, read when asked for.
    rest: Callable[[], Iterator[bytes]]

    @property
    def count(self) -> int:
        """How many lines it holds."""
        return self.body.count(b"\n") + bool(self.begun)

    def tail(self) -> bytes:
        """Return the line in the middle of which the piece ends, all of it; b"": there is none."""
        return b"".join(self._tail_parts())

    def ends_of_tail(self, most: int) -> tuple[bytes, int]:
        """Return the same line without its middle if it is long.

        Returns up to ``most`` bytes of its start and of its end, and how many bytes are left out
        between the two.
        """
        start = end = b""
        length = 0
        for part in self._tail_parts():
            length += len(part)
            more = part[: most - len(start)]
            start += more
            end = (end + part[len(more) :])[-most:]
        return start + end, length - len(start) - len(end)

    def _tail_parts(self) -> Iterator[bytes]:
        if self.begun:
            yield self.begun
            yield from self.rest()

    def whole_lines(self) -> list[bytes]:
        """Return the lines that lie in the piece, without their newlines."""
        lines = self.body.split(b"\n")
        lines.pop()
        return lines

    def contents(self) -> list[bytes]:
        r"""Return the lines without their line ends, be they ``\n`` or ``\r\n``."""
        lines = self.whole_lines()
        if b"\r\n" in self.body:
            lines = [line.removesuffix(b"\r") for line in lines]
        if self.begun:
            lines.append(content(self.tail()))
        return lines


class LineIndex:
    """For each block of a recording, how many lines start before it and which are open there.

    It belongs to a recording that only grows, and holds nothing of it: a few bytes a block.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        #: Lines that start before block ``i``.
        self.started = array("Q", [0])
        #: The strands that are in the middle of a line where block ``i`` starts: one bit each.
        self.open = [0]


class Lines:
    """The lines of one snapshot.

    Parameters
    ----------
    snapshot
        What to read. It is held for as long as this object lives.
    index
        What is known already from earlier snapshots of the same recording; it is extended.
    """

    def __init__(self, snapshot: Snapshot, index: LineIndex) -> None:
        self.snapshot = snapshot
        self.index = index
        self._data = snapshot.data
        self._between_gaps = len(snapshot.gaps) + 1  # so many strands for each source
        self._reads = 0
        self._blocks = len(self._data) // BLOCK_BYTES + 1
        with index.lock:
            while (block := len(index.open) - 1) < self._blocks - 1:
                started, open_strands = self._advance(block, (block + 1) * BLOCK_BYTES)
                with deferred_interrupts():
                    if len(index.open) == block + 1:  # else: a signal's handler has looked too
                        index.started.append(started)
                        index.open.append(open_strands)
        self._count = self._advance(self._blocks - 1, len(self._data))[0]

    def __len__(self) -> int:
        return self._count

    def started_before(self, position: int) -> int:
        """Return how many lines start before ``position`` in the data."""
        return self._advance(position // BLOCK_BYTES, position)[0]

    def read(self, indices: Iterable[int], most: int | None = None) -> Iterator[Row]:
        """Yield the lines with the given indices, in the order given; neighbours are cheap.

        Of a line that is longer than a block, only ``most`` bytes of its start and of its end
        are kept in memory (None: all of it).
        """
        reader = _Reader(self, most)
        for nth in indices:
            yield reader.row(nth)

    def batches(self, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield the lines ``start`` .. ``stop``, and neighbours, a piece at a time."""
        stop = len(self) if stop is None else stop
        if start < stop:
            for block in range(self.block_of(start), self.block_of(stop - 1) + 1):
                yield from self.batches_in(block)

    def batches_in(self, block: int) -> Iterator[Batch]:
        """Yield the lines that start in one block."""
        first = self.index.started[block]
        batch: Batch | None = None
        open_strands = self.index.open[block]
        start = block * BLOCK_BYTES
        following = _Following(self, start)
        for strand, begin, end in self.pieces(start, min(start + BLOCK_BYTES, len(self._data))):
            piece = self.part(begin, end)
            skipped = 0
            if open_strands >> strand & 1:
                skipped = piece.find(b"\n") + 1
                if not skipped:
                    continue  # all of it belongs to a line that started earlier
                open_strands &= ~(1 << strand)
            body_end = piece.rfind(b"\n") + 1
            begun = piece[body_end:]
            if begun:
                open_strands |= 1 << strand
            if begun or skipped < body_end:
                if batch is not None:  # counted only if another follows: a scan is faster
                    first += batch.count
                body = piece[skipped:body_end]
                rest = partial(following.rest_of_line, strand, end)
                batch = Batch(first, begin + skipped, self.source_of(strand), body, begun, rest)
                yield batch

    def ranges_by_source(self, wanted: set[int]) -> Iterator[range]:
        """Yield the indices of the lines of some sources, in order."""
        for block in range(self._blocks):
            start = block * BLOCK_BYTES
            stop = min(start + BLOCK_BYTES, len(self._data))
            sources = {self.source_of(piece.strand) for piece in self.pieces(start, stop)}
            if sources <= wanted:
                end = self.index.started[block + 1] if block + 1 < self._blocks else len(self)
                yield range(self.index.started[block], end)
            elif sources & wanted:
                for batch in self.batches_in(block):
                    if batch.source in wanted:
                        yield range(batch.first, batch.first + batch.count)

    def pieces(self, start: int, stop: int) -> Iterator[Piece]:
        """Cut a stretch of the data where the strand changes."""
        if start >= stop:
            return
        starts = self.snapshot.starts
        first = bisect_right(starts, start) - 1
        last = bisect_left(starts, stop)
        sources = self.snapshot.source_numbers[first:last].tolist()
        gaps = self.snapshot.gaps
        if not gaps and sources.count(sources[0]) == len(sources):
            yield Piece(sources[0], start, stop)
            return
        begins = starts[first:last].tolist()
        begins[0] = start
        strands = sources
        if gaps:
            strands = [
                self._between_gaps * source + bisect_right(gaps, begin)
                for source, begin in zip(sources, begins, strict=True)
            ]
        begins.append(stop)
        position = 0
        for strand, group in itertools.groupby(strands):
            following = position + len(list(group))
            if begins[position] < begins[following]:
                yield Piece(strand, begins[position], begins[following])
            position = following

    def source_of(self, strand: int) -> int:
        """Return the number of the source of a strand."""
        return strand // self._between_gaps

    def end_of(self, strand: int) -> int:
        """Return where in the data a strand is over: at the next gap, or at the end."""
        return (*self.snapshot.gaps, len(self._data))[strand % self._between_gaps]

    def chunk_at(self, position: int) -> tuple[range, int]:
        """Return where the chunk at ``position`` lies, and when it was read: ns since the epoch."""
        starts = self.snapshot.starts
        following = bisect_right(starts, position)
        end = starts[following] if following < len(starts) else len(self._data)
        return range(starts[following - 1], end), self.snapshot.times[following - 1]

    def block_of(self, index: int) -> int:
        """Return the block in which a line starts."""
        return bisect_right(self.index.started, index, 0, self._blocks) - 1

    def _advance(self, block: int, stop: int) -> tuple[int, int]:
        """Return the lines started, and the strands open, at ``stop``, which lies in ``block``."""
        open_strands = self.index.open[block]
        newlines = self.index.started[block] - open_strands.bit_count()
        start = block * BLOCK_BYTES
        newlines += self.part(start, stop).count(b"\n")
        for strand, _, end in self.pieces(start, stop):
            if self._data[end - 1] == _NEWLINE:
                open_strands &= ~(1 << strand)
            else:
                open_strands |= 1 << strand
        return newlines + open_strands.bit_count(), open_strands

    def part(self, start: int, stop: int) -> bytes:
        """Return a stretch of the data."""
        self._reads += 1
        if self._reads % READS_BEFORE_RELEASE == 0:
            release_pages(self._data)
        return bytes(self._data[start:stop])


class _Following:
    """The chunks from a place on, by source: where the lines that are open there go on.

    The index is gone through once for all lines, in parts, and no further than the longest of
    those that are asked for.
    """

    def __init__(self, lines: Lines, position: int) -> None:
        self._lines = lines
        self._position = position
        self._chunks: dict[int, array[int]] = defaultdict(lambda: array("Q"))
        self._found: int | None = None  # how far: the number of the next chunk to look at
        self._count = _FIRST_CHUNKS

    def rest_of_line(self, strand: int, position: int) -> Iterator[bytes]:
        """Yield what ``strand`` wrote from ``position`` up to its next newline."""
        for start, stop in self._pieces(strand, position):
            for begin in range(start, stop, BLOCK_BYTES):
                part = self._lines.part(begin, min(begin + BLOCK_BYTES, stop))
                newline = part.find(b"\n")
                if newline >= 0:
                    yield part[: newline + 1]
                    return
                yield part

    def _pieces(self, strand: int, position: int) -> Iterator[tuple[int, int]]:
        snapshot = self._lines.snapshot
        starts = snapshot.starts
        last = self._lines.end_of(strand)
        chunks = self._chunks[self._lines.source_of(strand)]
        first = bisect_right(starts, position) - 1
        i = 0
        while position < last and (i < len(chunks) or self._look_further()):
            i = bisect_left(chunks, first, i)
            while i < len(chunks):
                start = max(starts[chunks[i]], position)
                i += 1
                while i < len(chunks) and chunks[i] == chunks[i - 1] + 1:
                    i += 1
                following = chunks[i - 1] + 1
                position = starts[following] if following < len(starts) else last
                yield start, min(position, last)

    def _look_further(self) -> bool:
        """Look at some more chunks; tell whether there were any."""
        snapshot = self._lines.snapshot
        first = self._found
        if first is None:
            first = bisect_right(snapshot.starts, self._position) - 1
        sources = snapshot.source_numbers[first : first + self._count].tolist()
        for chunk, source in enumerate(sources, first):
            self._chunks[source].append(chunk)
        self._found = first + len(sources)
        self._count = min(2 * self._count, _MOST_CHUNKS)
        return bool(sources)


class _Reader:
    """Reads single lines, and keeps the block of the last one at hand for its neighbours."""

    def __init__(self, lines: Lines, most: int | None) -> None:
        self._lines = lines
        self._most = most
        self._batches: list[Batch] = []
        self._batch = Batch(0, 0, 0, b"", b"", lambda: iter(()))
        self._contents: list[bytes] = []
        self._positions: list[int] = []
        self._chunk = range(0)
        self._time = 0

    def row(self, nth: int) -> Row:
        """Return the line with this index, which must exist."""
        i = nth - self._batch.first
        if not 0 <= i < len(self._contents) + bool(self._batch.begun):
            self._turn_to(nth)
            i = nth - self._batch.first
        position = self._positions[i] + i
        if position not in self._chunk:
            self._chunk, self._time = self._lines.chunk_at(position)
        left_out = 0
        if i < len(self._contents):
            raw = self._contents[i] + b"\n"
        elif self._most is None:
            raw = self._batch.tail()
        else:
            raw, left_out = self._batch.ends_of_tail(self._most)
        return Row(nth, raw, self._batch.source, self._time, left_out)

    def _turn_to(self, nth: int) -> None:
        batches = self._batches
        if not batches or not batches[0].first <= nth < batches[-1].first + batches[-1].count:
            batches = self._batches = list(self._lines.batches_in(self._lines.block_of(nth)))
        self._batch = batches[bisect_right(batches, nth, key=lambda batch: batch.first) - 1]
        self._contents = self._batch.whole_lines()
        # Where each starts, not counting the newlines before it.
        lengths = map(len, self._contents)
        self._positions = list(itertools.accumulate(lengths, initial=self._batch.start))


def release_pages(data: memoryview) -> None:
    """Tell the system that the pages of mapped data need not stay in memory."""
    if isinstance(data.obj, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        data.obj.madvise(mmap.MADV_DONTNEED)


def content(raw: bytes) -> bytes:
    r"""Return a line without its line end, ``\n`` or ``\r\n``; a ``\r`` alone is no line end."""
    return raw[:-2] if raw.endswith(b"\r\n") else raw.removesuffix(b"\n")


def joined(ranges: Iterable[range]) -> Sequence[int]:
    """Return the numbers in some ascending ranges: as one range if there is no hole in them."""
    single = range(0)
    found = array("I")
    for part in ranges:
        if not single:
            single = part
        elif part and single.stop == part.start:
            single = range(single.start, part.stop)
        elif part:
            found.extend(single)
            single = part
    if not found:
        return single
    found.extend(single)
    return found
