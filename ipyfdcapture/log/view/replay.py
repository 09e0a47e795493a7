"""A log written to `sys.stdout` and `sys.stderr` again, each line to where it came from."""

from __future__ import annotations

import sys
from typing import TextIO

from ...recording.sources import is_stderr
from ..reading import Reading
from .ansi import PLAIN, Style, runs_of, to_terminal

#: So often the order of the two streams is kept. Each time costs a flush, in a kernel a message.
_CHANGES = 1000


class Streams:
    """`sys.stdout` and `sys.stderr`, written to in turns whose order is seen.

    Each keeps what it is given for a while, and nothing says which of them passes it on first. So
    one is flushed before the other is written to.
    """

    def __init__(self) -> None:
        self._changes = 0
        #: The one that was written to last.
        self._last: TextIO | None = None

    def write(self, text: str, source: str) -> None:
        """Write to the stream that a source of a log belongs to."""
        stream = sys.stderr if is_stderr(source) else sys.stdout
        if stream is not self._last:
            if self._last is not None and self._changes < _CHANGES:
                self._changes += 1
                self._last.flush()
            self._last = stream
        stream.write(text)


def replay(reading: Reading, raw: bool) -> None:
    """Write lines to the streams that they came by, in order.

    Where the streams alternate more than a thousand times, what follows keeps the order within
    each of them.

    Parameters
    ----------
    reading
        What to write.
    raw
        Write every control sequence as it was captured, rather than colours alone.
    """
    streams = Streams()
    styles: dict[int, Style] = {}
    for row in reading.rows():
        source = reading.source(row)
        if raw:
            streams.write(reading.decode(row.raw), source)
            continue
        runs, styles[row.source] = runs_of(reading.text(row), styles.get(row.source, PLAIN))
        streams.write(to_terminal(runs) + ("\n" if row.raw.endswith(b"\n") else ""), source)
    sys.stdout.flush()
    sys.stderr.flush()
