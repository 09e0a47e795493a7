"""The part of a log that a view shows: its first and last lines, and of long lines the ends.

Of lines that are drawn over by others, as bars of several lines are, it shows the last state.
"""

from __future__ import annotations

import re

from ..folding import Fold
from ..lines import Row, content
from ..reading import Reading
from .ansi import MOVE, runs_of, to_terminal
from .moving_rows import UP

#: So much is read of the start and of the end of a long line: no view shows more.
ENDS_BYTES = 8 << 10
_MOVE = re.compile(MOVE.pattern.encode("latin-1"))
#: Of a log of at most so many lines all are read, to show no more of its bars than their end.
_FOLDED_LINES = 5000


def excerpt(reading: Reading, head: int, tail: int) -> tuple[list[Row], int, list[Row]]:
    """Return the first lines, how many are left out, and the last lines, for `row_text`."""
    lines, indices = reading.lines, reading.indices
    left_out = len(indices) - head - tail
    if left_out <= 0:
        return _folded(reading, list(lines.read(indices, ENDS_BYTES))), 0, []
    first, last = indices[:head], indices[len(indices) - tail :]
    last_rows = list(lines.read(last, ENDS_BYTES))
    first_rows = list(lines.read(first, ENDS_BYTES))
    if _goes_up(first_rows + last_rows) and len(indices) <= _FOLDED_LINES:
        all_rows = _folded(reading, list(lines.read(indices, ENDS_BYTES)))
        if len(all_rows) <= head + tail:
            return all_rows, 0, []
    return _folded(reading, first_rows), left_out, _folded(reading, last_rows)


def _folded(reading: Reading, rows: list[Row]) -> list[Row]:
    """Return rows as they are seen in the end, if lines that follow each other go up."""
    indices = reading.indices
    if not _goes_up(rows) or not (isinstance(indices, range) and indices.step == 1):
        return rows
    fold: Fold[Row] = Fold()
    for row in rows:
        fold.take(row.source, reading.decode(content(row.raw)), row)
    return [
        row._replace(
            raw=to_terminal(seen.runs()).encode(reading.encoding, "replace") + b"\n", left_out=0
        )
        for row, seen in fold.rows()
    ]


def _goes_up(rows: list[Row]) -> bool:
    return any(UP.search(row.raw) for row in rows)


def row_text(reading: Reading, row: Row, max_bytes: int) -> tuple[str, int]:
    r"""Return the text of a line, cut to about ``max_bytes``, and how many bytes were left out.

    Of a long line in which the cursor moved, as in a spinner's, little may be seen in the end. Of
    one that was rewritten with ``\r``, the end is what counts. If the middle of the line was not
    read, ``max_bytes`` must be less than what was read of its start and of its end.
    """
    raw = row.raw.removesuffix(b"\n").removesuffix(b"\r")
    cut = len(raw) + row.left_out - max_bytes
    if cut <= 0:
        return reading.decode(raw), 0
    if not row.left_out and _MOVE.search(raw):
        seen = to_terminal(runs_of(reading.decode(raw))[0])
        if len(seen.encode("utf-8", "replace")) <= max_bytes:
            return seen, 0
    rewritten = raw.find(b"\r", len(raw) - max_bytes)
    if rewritten >= 0:
        return reading.decode(raw[rewritten + 1 :]), 0
    return reading.decode(raw[:max_bytes]), cut
