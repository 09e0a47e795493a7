"""The part of a log that a view shows: its first and last lines, and of long lines the ends."""

from __future__ import annotations

from ..lines import Row
from ..reading import Reading

#: So much is read of the start and of the end of a long line: no view shows more.
ENDS_BYTES = 8 << 10


def excerpt(reading: Reading, head: int, tail: int) -> tuple[list[Row], int, list[Row]]:
    """Return the first lines, how many are left out, and the last lines, for `row_text`."""
    lines, indices = reading.lines, reading.indices
    left_out = len(indices) - head - tail
    if left_out <= 0:
        return list(lines.read(indices, ENDS_BYTES)), 0, []
    first, last = indices[:head], indices[len(indices) - tail :]
    first_rows = list(lines.read(first, ENDS_BYTES))
    return first_rows, left_out, list(lines.read(last, ENDS_BYTES))


def row_text(reading: Reading, row: Row, max_bytes: int) -> tuple[str, int]:
    r"""Return the text of a line, cut to about ``max_bytes``, and how many bytes were left out.

    Of a long line that was rewritten with ``\r``, the end is what counts. If the middle of the
    line was not read, ``max_bytes`` must be less than what was read of its start and of its end.
    """
    raw = row.raw.removesuffix(b"\n").removesuffix(b"\r")
    cut = len(raw) + row.left_out - max_bytes
    if cut <= 0:
        return reading.decode(raw), 0
    rewritten = raw.find(b"\r", len(raw) - max_bytes)
    if rewritten >= 0:
        return reading.decode(raw[rewritten + 1 :]), 0
    return reading.decode(raw[:max_bytes]), cut
