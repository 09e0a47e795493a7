"""What a worker says of its output with each answer: lines, the last one, the worst level."""

from __future__ import annotations

from collections import defaultdict
from typing import TypedDict

from ..log.captured import Captured
from ..log.levels import LEVELS, LevelFinder
from ..log.seen import Sight
from ..recording.tail_reader import RecordingTail, by_source

#: Read so much with each answer while the worker writes, and so much more once it is silent: to
#: tell the levels of 4 MiB takes some 10 ms.
_BUSY_BYTES = 64 << 10
_IDLE_BYTES = 4 << 20
#: The last line is cut to so many bytes; a longer one is looked at no further than this.
MOST_LINE_BYTES = 200
_MOST_HELD_BYTES = 4096


class Summary(TypedDict):
    """What `RunningSummary` knows."""

    #: Lines that were looked at, and up to which position that was.
    lines: int
    position: int
    #: The last line that has an end, its source's number, and the worst level of all.
    last_line: str
    last_source: int
    worst: str | None
    #: When the last byte came, in ns since the epoch by the worker's clock; 0: none came.
    last_time: int


class RunningSummary:
    """Reads a recording on as it grows, a little at a time.

    Parameters
    ----------
    captured
        The log of the recording.
    """

    def __init__(self, captured: Captured) -> None:
        metadata = captured.recording.metadata
        self._encoding, self._errors = metadata.encoding, metadata.errors
        self._finder = LevelFinder(Sight(metadata.encoding, metadata.errors))
        self._tail = RecordingTail(captured.recording)
        self._begun: dict[int, bytes] = defaultdict(bytes)  # lines without an end, by source
        self._end = 0
        self._known: Summary = {
            "lines": 0,
            "position": 0,
            "last_line": "",
            "last_source": 0,
            "worst": None,
            "last_time": 0,
        }

    def close(self) -> None:
        """Close the files."""
        self._tail.close()

    def update(self, end: int) -> Summary:
        """Read on, and return what is known. ``end`` is where the recording ends at present."""
        limit = _IDLE_BYTES if end == self._end else _BUSY_BYTES
        self._end = end
        while limit > 0 and self._tail.position < end:
            oldest = self._tail.oldest()
            if oldest > self._tail.position:
                self._tail.skip(oldest)
                self._begun.clear()
            chunks = self._tail.read(limit)
            if not chunks:
                break
            self._known["last_time"] = chunks[-1].time_ns
            for source, data in by_source(chunks):
                limit -= len(data)
                self._take(source, data)
        self._known["position"] = self._tail.position
        return self._known.copy()

    def _take(self, source: int, data: bytes) -> None:
        known = self._known
        head, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._begun[source] = (self._begun[source] + rest)[:_MOST_HELD_BYTES]
            return
        body = self._begun[source] + head
        self._begun[source] = rest[:_MOST_HELD_BYTES]
        levels = {*self._finder.levels(body + b"\n"), known["worst"]} - {None}
        known["lines"] += body.count(b"\n") + 1
        known["worst"] = max(filter(None, levels), key=LEVELS.index, default=None)
        last = body[body.rfind(b"\n") + 1 :][:MOST_LINE_BYTES]
        known["last_line"] = last.decode(self._encoding, self._errors).removesuffix("\r")
        known["last_source"] = source
