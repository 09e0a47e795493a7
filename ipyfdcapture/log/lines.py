"""Where the lines of a recording are, found without reading what was not asked for.

A line belongs to one source: bytes of another source between its start and its end do not cut
it. Lines are ordered by where their first byte lies. So, at any place in the data,

    lines started = newlines so far + sources that are in the middle of a line

which is what `LineIndex` keeps for every `BLOCK_BYTES` of data. From there each block can be
read on its own.
"""

from __future__ import annotations

import itertools
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from ..recording.recording import Snapshot
from ..system.interrupts import deferred_interrupts
from .strands import ChunkIndex, Strands, pieces_of

#: One entry of the index covers this much: a line is found by splitting this many bytes.
BLOCK_BYTES = 1 << 16
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


@dataclass(slots=True)
class Batch:
    """Lines that start in one piece."""

    #: The index of the first.
    first: int
    #: Where it starts in the data.
    start: int
    #: The number of their source; None: of several, each of whose chunks begins with a line.
    source: int | None
    #: Whole lines, each with its newline.
    body: bytes
    #: One more line, if the piece ends in the middle of it: the part that lies in the piece.
    begun: bytes
    #: Yields what follows ``begun``, up to the newline: from later pieces, read when asked for.
    rest: Callable[[], Iterator[bytes]]
    #: The index of the line after its last; None: they have to be counted.
    following: int | None = None

    @property
    def count(self) -> int:
        """How many lines it holds."""
        if self.following is not None:
            return self.following - self.first
        return self.body.count(b"\n") + bool(self.begun)

    def cut_line(self) -> bytes:
        """Return the line in the middle of which the piece ends, all of it, or b""."""
        return b"".join(self._cut_line_parts())

    def ends_of_cut_line(self, most: int) -> tuple[bytes, int]:
        """Return the same line without its middle if it is long.

        Returns up to ``most`` bytes of its start and of its end, and how many bytes are left out
        between the two.
        """
        start = b""
        rest: deque[bytes] = deque()
        length = held = 0
        for part in self._cut_line_parts():
            length += len(part)
            more = part[: most - len(start)]
            start += more
            rest.append(part[len(more) :])
            held += len(rest[-1])
            while held - len(rest[0]) >= most:
                held -= len(rest.popleft())
        end = b"".join(rest)[-most:]
        return start + end, length - len(start) - len(end)

    def pieces_of_cut_line(self, size: int, overlap: int) -> Iterator[bytes]:
        """Yield the same line piece by piece: as one if it is no longer than about ``size``.

        Each begins ``overlap`` bytes or a few less before the end of the one before. No character
        of UTF-8 is cut, and no line end.
        """
        piece = bytearray()
        is_first = True
        for part in self._cut_line_parts():
            if len(piece) >= max(size, 2 * overlap):
                end = _cut_before(piece, len(piece))
                yield bytes(piece[:end])
                is_first = False
                del piece[: _cut_before(piece, max(end - overlap, 1))]
            piece += part
        if piece or is_first:
            yield bytes(piece)

    def _cut_line_parts(self) -> Iterator[bytes]:
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
        lines = contents_of(self.body)
        if self.begun:
            lines.append(content(self.cut_line()))
        return lines


class LineIndex:
    """For each block of a recording: how many lines start before it, and which are open there.

    It belongs to a recording that only grows. It takes a few bytes a block, and keeps no data.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        #: Lines that start before block ``i``.
        self.started = array("Q", [0])
        #: The strands that are in the middle of a line where block ``i`` starts: one bit each.
        self.open = [0]


class Lines(Strands):
    """The lines of one snapshot.

    Parameters
    ----------
    snapshot
        What to read. It is held for as long as this object lives.
    index
        The index built from earlier snapshots of the same recording; it is extended.
    """

    def __init__(self, snapshot: Snapshot, index: LineIndex) -> None:
        super().__init__(snapshot)
        self.index = index
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

    def reader(self, most: int | None = None) -> Callable[[int], Row]:
        """Return what reads the line with an index, as `read` does; neighbours are cheap."""
        return _Reader(self, most).row

    def batches(self, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield the lines ``start`` .. ``stop``, and neighbours, a piece at a time."""
        stop = len(self) if stop is None else stop
        if start < stop:
            for block in range(self.block_of(start), self.block_of(stop - 1) + 1):
                yield from self.batches_in(block)

    def batches_in(self, block: int) -> Iterator[Batch]:
        """Yield the lines that start in one block."""
        first = self.index.started[block]
        following = self.index.started[block + 1] if block + 1 < self._blocks else len(self)
        batch: Batch | None = None
        open_strands = self.index.open[block]
        start = block * BLOCK_BYTES
        stop = min(start + BLOCK_BYTES, len(self._data))
        if start == stop:
            return
        chunks = ChunkIndex(self, start)
        strands, borders = self.chunks(start, stop)
        if self._share_by_line(strands, borders, open_strands):
            data = self.part(start, stop)
            skipped = data.find(b"\n") + 1 if open_strands >> strands[0] & 1 else 0
            body_end = data.rfind(b"\n") + 1
            rest = partial(chunks.rest_of_line, strands[-1], stop)
            body = data[skipped:body_end]
            yield Batch(first, start + skipped, None, body, data[body_end:], rest, following)
            return
        for strand, begin, end in pieces_of(strands, borders):
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
                rest = partial(chunks.rest_of_line, strand, end)
                source = self.source_of(strand)
                batch = Batch(first, begin + skipped, source, body, begun, rest)
                if end == stop:
                    batch.following = following
                yield batch

    def unfinished(self) -> list[int]:
        """Return the indices of the lines that have no end yet, ascending: they may still grow."""
        found = []
        open_strands = self._advance(self._blocks - 1, len(self._data))[1]
        for strand in range(open_strands.bit_length()):
            if open_strands >> strand & 1:
                block = self._blocks - 1
                while self.index.open[block] >> strand & 1 and not self._ends_in(strand, block):
                    block -= 1
                found.append(self._last_begun(strand, block))
        return sorted(found)

    def _ends_in(self, strand: int, block: int) -> bool:
        """Tell whether a line of a strand ends in a block."""
        start = block * BLOCK_BYTES
        pieces = self.pieces(start, min(start + BLOCK_BYTES, len(self._data)))
        return any(
            piece.strand == strand and b"\n" in self.part(piece.start, piece.stop)
            for piece in pieces
        )

    def _last_begun(self, strand: int, block: int) -> int:
        """Return the last line that a strand begins in a block."""
        source = self.source_of(strand)
        stop = self.end_of(strand)
        batches = [
            batch
            for batch in self.batches_in(block)
            if batch.begun and self.origins(batch)[0][-1] == source and batch.start < stop
        ]
        return batches[-1].first + batches[-1].count - 1

    def _share_by_line(self, strands: list[int], borders: list[int], open_strands: int) -> bool:
        """Tell whether several sources share a stretch of data line by line.

        That is: each chunk but the first begins with a line. Such a stretch is read at once: a
        batch for each piece costs ten times as much as what is done with its lines.
        """
        several = set(strands)
        if len(several) < 2 or any(open_strands >> n & 1 for n in several - {strands[0]}):
            return False
        return all(self._data[border - 1] == _NEWLINE for border in borders[1:-1])

    def origins(self, batch: Batch) -> tuple[list[int], list[int]]:
        """Return the source of each line of a batch, and when its first byte was read."""
        data = batch.body + batch.begun
        start, stop = batch.start, batch.start + len(data)
        starts = self.snapshot.starts
        first, last = bisect_right(starts, start) - 1, bisect_left(starts, stop)
        # A line begins behind each newline but the last.
        ends = [*(border - start - 1 for border in starts[first + 1 : last]), len(data) - 1]
        counts = list(map(data.count, itertools.repeat(b"\n"), [0, *ends], ends))
        counts[0] += 1
        times = _repeated(self.snapshot.times[first:last].tolist(), counts)
        if batch.source is not None:
            return [batch.source] * len(times), times
        return _repeated(self.snapshot.source_numbers[first:last].tolist(), counts), times

    def ranges_by_source(self, wanted: set[int]) -> Iterator[range]:
        """Yield the indices of the lines of some sources, in order."""
        for block in range(self._blocks):
            start = block * BLOCK_BYTES
            stop = min(start + BLOCK_BYTES, len(self._data))
            sources = (
                set(map(self.source_of, self.chunks(start, stop)[0])) if stop > start else set()
            )
            if sources <= wanted:
                end = self.index.started[block + 1] if block + 1 < self._blocks else len(self)
                yield range(self.index.started[block], end)
            elif sources & wanted:
                for batch in self.batches_in(block):
                    if batch.source is None:
                        yield from _runs(self.origins(batch)[0], batch.first, wanted)
                    elif batch.source in wanted:
                        yield range(batch.first, batch.first + batch.count)

    def pieces_of_line(self, index: int, size: int) -> Iterator[bytes]:
        """Yield a line that is longer than a block in pieces of about ``size`` bytes."""
        for batch in self.batches(index, index + 1):
            if batch.begun and batch.first + batch.count - 1 == index:
                yield from map(content, batch.pieces_of_cut_line(size, 0))

    def block_of(self, index: int) -> int:
        """Return the block in which a line starts."""
        return bisect_right(self.index.started, index, 0, self._blocks) - 1

    def _advance(self, block: int, stop: int) -> tuple[int, int]:
        """Return the lines started, and the strands open, at ``stop``, which lies in ``block``."""
        open_strands = self.index.open[block]
        newlines = self.index.started[block] - open_strands.bit_count()
        start = block * BLOCK_BYTES
        newlines += self.part(start, stop).count(b"\n")
        if stop == start:
            return newlines + open_strands.bit_count(), open_strands
        strands, borders = self.chunks(start, stop)
        for strand, end in dict(zip(strands, borders[1:], strict=True)).items():  # its last chunk
            if self._data[end - 1] == _NEWLINE:
                open_strands &= ~(1 << strand)
            else:
                open_strands |= 1 << strand
        return newlines + open_strands.bit_count(), open_strands


class _Reader:
    """Reads single lines, and keeps the block of the last one at hand for its neighbours."""

    def __init__(self, lines: Lines, most: int | None) -> None:
        self._lines = lines
        self._most = most
        self._batches: list[Batch] = []
        self._batch = Batch(0, 0, 0, b"", b"", lambda: iter(()))
        self._contents: list[bytes] = []
        self._sources: list[int] = []
        self._times: list[int] = []

    def row(self, nth: int) -> Row:
        """Return the line with this index, which must exist."""
        i = nth - self._batch.first
        if not 0 <= i < len(self._times):
            self._turn_to(nth)
            i = nth - self._batch.first
        left_out = 0
        if i < len(self._contents):
            raw = self._contents[i] + b"\n"
        elif self._most is None:
            raw = self._batch.cut_line()
        else:
            raw, left_out = self._batch.ends_of_cut_line(self._most)
        return Row(nth, raw, self._sources[i], self._times[i], left_out)

    def _turn_to(self, nth: int) -> None:
        batches = self._batches
        if not batches or not batches[0].first <= nth < batches[-1].first + batches[-1].count:
            batches = self._batches = list(self._lines.batches_in(self._lines.block_of(nth)))
        self._batch = batches[bisect_right(batches, nth, key=lambda batch: batch.first) - 1]
        self._contents = self._batch.whole_lines()
        self._sources, self._times = self._lines.origins(self._batch)


def _repeated(values: Iterable[int], counts: Iterable[int]) -> list[int]:
    return list(itertools.chain.from_iterable(map(itertools.repeat, values, counts)))


def _runs(sources: Sequence[int], first: int, wanted: set[int]) -> Iterator[range]:
    """Yield where in a row of sources the wanted ones stand, counted from ``first``."""
    for is_wanted, run in itertools.groupby(map(wanted.__contains__, sources)):
        following = first + sum(1 for _ in run)
        if is_wanted:
            yield range(first, following)
        first = following


def _cut_before(data: bytearray, position: int) -> int:
    r"""Return a place close before ``position`` where no character is cut, nor ``\r\n``."""
    for place in range(position, max(position - 64, 0), -1):
        if data[place - 1] < 0x80 and data[place - 1] != 0x0D:
            return place
    return position


def grouped(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield rows, many at a time: to find their levels together takes a tenth of the time."""
    some: list[Row] = []
    nbytes = 0
    for row in rows:
        some.append(row)
        nbytes += len(row.raw)
        if nbytes >= BLOCK_BYTES:
            yield some
            some, nbytes = [], 0
    if some:
        yield some


def content(raw: bytes) -> bytes:
    r"""Return a line without its line end, ``\n`` or ``\r\n``; a ``\r`` alone is no line end."""
    return raw[:-2] if raw.endswith(b"\r\n") else raw.removesuffix(b"\n")


def contents_of(body: bytes) -> list[bytes]:
    r"""Return lines without their line ends; each ends with ``\n`` or ``\r\n``."""
    lines = body.split(b"\n")
    lines.pop()
    if b"\r" in body:
        lines = [line.removesuffix(b"\r") for line in lines]
    return lines


def has_longer_line(body: bytes, most: int) -> bool:
    r"""Tell whether one of the lines, each of which ends with ``\n``, is longer than ``most``."""
    start = 0
    while start + most < len(body):
        start = body.rfind(b"\n", start, start + most + 1) + 1
        if not start:
            return True
    return False


def joined(parts: Iterable[Sequence[int]]) -> Sequence[int]:
    """Return the numbers in some ascending parts: as one range if there is no hole in them."""
    single = range(0)
    found = array("I")
    for part in parts:
        if isinstance(part, range) and part and single.stop == part.start and single:
            single = range(single.start, part.stop)
            continue
        found.extend(single)
        single = part if isinstance(part, range) else range(0)
        if not isinstance(part, range):
            found.extend(part)
    if not found:
        return single
    found.extend(single)
    if found[-1] - found[0] + 1 == len(found):
        return range(found[0], found[-1] + 1)
    return found
