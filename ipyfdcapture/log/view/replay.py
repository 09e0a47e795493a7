"""A log written to `sys.stdout` and `sys.stderr` again, each line to where it came from."""

from __future__ import annotations

import sys

from ...recording.sources import is_stderr
from ..reading import Reading
from .ansi import PLAIN, Style, runs_of, to_terminal


def replay(reading: Reading, raw: bool) -> None:
    """Write lines to the streams that they came by.

    Parameters
    ----------
    reading
        What to write.
    raw
        Write every control sequence as it was captured, rather than colours alone.
    """
    styles: dict[int, Style] = {}
    for row in reading.rows():
        stream = sys.stderr if is_stderr(reading.source(row)) else sys.stdout
        if raw:
            stream.write(reading.decode(row.raw))
            continue
        runs, styles[row.source] = runs_of(reading.text(row), styles.get(row.source, PLAIN))
        stream.write(to_terminal(runs) + ("\n" if row.raw.endswith(b"\n") else ""))
    sys.stdout.flush()
    sys.stderr.flush()
