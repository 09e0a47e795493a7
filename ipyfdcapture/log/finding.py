"""Take a search through a log: which lines match, in large blocks and in bounded memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from .lines import BLOCK_BYTES, Batch, Lines, Row, content, joined
from .search import Search

#: A line longer than this is searched in pieces of this size.
PIECE_BYTES = 16 << 20


@dataclass
class Remarks:
    """What is to be told of a search: lines, by their indices."""

    #: Those that took too long, and were passed over.
    slow: list[int] = field(default_factory=list)
    #: Those that are so long that they were searched piece by piece.
    in_pieces: list[int] = field(default_factory=list)


def find(
    lines: Lines,
    selection: Sequence[int],
    search: Search,
    sources: set[int] | None = None,
    remarks: Remarks | None = None,
) -> Iterator[Sequence[int]]:
    """Look through some lines.

    A line longer than `PIECE_BYTES` is searched piece by piece, each as if it were a line, with
    an overlap: text is found wherever it is, and an expression if what it matches is not very long.

    Parameters
    ----------
    lines
        The log.
    selection
        The indices of the lines to look at.
    search
        What to look for.
    sources
        Only lines of these sources match; None for all.
    remarks
        Takes what is to be told.

    Yields
    ------
    Sequence
        Positions in ``selection``, ascending; many at a time.
    """
    remarks = remarks or Remarks()
    if isinstance(selection, range) and selection.step == 1:
        yield from _find_in_range(lines, selection, search, sources, remarks)
        return
    for positions, rows in _together(lines, selection, sources):
        last = rows[-1]
        if last.left_out:
            whole = range(last.nth, last.nth + 1)
            if any(map(len, _find_in_range(lines, whole, search, None, remarks))):
                yield positions
            continue
        if last.raw.endswith(b"\n"):
            found = search.find(b"".join([row.raw for row in rows]))
        else:
            found = [0] if search.matches(last.raw) else []
        remarks.slow += [rows[i].nth for i in search.slow]
        if found:
            yield [positions[i] for i in found]


def _together(
    lines: Lines, selection: Sequence[int], sources: set[int] | None
) -> Iterator[tuple[list[int], list[Row]]]:
    """Yield lines with their positions, many at a time; alone what is very long or has no end."""
    positions: list[int] = []
    rows: list[Row] = []
    nbytes = 0
    for position, row in enumerate(lines.read(selection, PIECE_BYTES // 2)):
        if sources is not None and row.source not in sources:
            continue
        if row.left_out or not row.raw.endswith(b"\n"):
            yield from [(positions, rows)] if rows else []
            yield [position], [row]
            positions, rows, nbytes = [], [], 0
            continue
        positions.append(position)
        rows.append(row)
        nbytes += len(row.raw)
        if nbytes > BLOCK_BYTES:
            yield positions, rows
            positions, rows, nbytes = [], [], 0
    if rows:
        yield positions, rows


def _find_in_range(
    lines: Lines, selection: range, search: Search, sources: set[int] | None, remarks: Remarks
) -> Iterator[Sequence[int]]:
    for batch in lines.batches(selection.start, selection.stop):
        if sources is not None and batch.source is not None and batch.source not in sources:
            continue
        skipped = max(selection.start - batch.first, 0)
        following = len(lines) if batch.following is None else batch.following
        to_the_end = selection.stop >= following
        stop = len(batch.body) if to_the_end else selection.stop - batch.first
        body = _part(batch.body, skipped, stop)
        found, slow = (search.find(body), search.slow) if body else ((), ())
        if batch.begun and batch.first < selection.stop:
            cut = _CutLine(batch, search)
            # To count the lines takes longer than most searches.
            if cut.is_noted and (last := batch.count - 1) + batch.first in selection:
                found = [*found, last - skipped] if cut.matches else found
                slow = [*slow, last - skipped] if cut.is_slow else slow
                remarks.in_pieces += [batch.first + last] if cut.in_pieces else []
        if sources is not None and batch.source is None and (found or slow):
            origins = lines.origins(batch)[0]
            found = [i for i in found if origins[skipped + i] in sources]
            slow = [i for i in slow if origins[skipped + i] in sources]
        first = batch.first + skipped
        remarks.slow += [first + i for i in slow]
        if found:
            yield _moved(found, first - selection.start)


class _CutLine:
    """What is found in the line in the middle of which a piece of the log ends."""

    def __init__(self, batch: Batch, search: Search) -> None:
        def pieces() -> Iterator[bytes]:
            return map(content, batch.pieces_of_cut_line(PIECE_BYTES, search.overlap))

        some = pieces()
        first = next(some)
        self.in_pieces = next(some, None) is not None
        self.matches = search.matches_pieces(pieces) if self.in_pieces else search.matches(first)
        self.is_slow = bool(search.slow)

    @property
    def is_noted(self) -> bool:
        """Whether anything is to be told of it."""
        return self.matches or self.is_slow or self.in_pieces


def _moved(positions: Sequence[int], by: int) -> Sequence[int]:
    """Return positions moved: as a range if there is no hole in them."""
    first, last = positions[0], positions[-1]
    if last - first + 1 == len(positions):
        return range(first + by, last + by + 1)
    return array("I", [position + by for position in positions])


def _part(body: bytes, start: int, stop: int) -> bytes:
    """Return the lines ``start`` .. ``stop`` of some that each end with a newline."""
    if start == 0 and (stop >= len(body) or stop >= body.count(b"\n")):
        return body
    lines = body.split(b"\n")
    lines.pop()
    return b"".join([line + b"\n" for line in lines[start : max(stop, 0)]])


def with_context(positions: Iterable[Sequence[int]], context: int, count: int) -> Sequence[int]:
    """Return positions together with up to ``context`` neighbours on either side, of ``count``."""
    return joined(_with_neighbours(positions, context, count) if context else positions)


def _with_neighbours(
    positions: Iterable[Sequence[int]], context: int, count: int
) -> Iterator[range]:
    following = 0
    for position in chain.from_iterable(positions):
        stop = min(position + context + 1, count)
        yield range(max(position - context, following), stop)
        following = stop
