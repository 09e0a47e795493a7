"""What came to a log since it was last asked for."""

from __future__ import annotations

import bisect
import codecs
from dataclasses import replace
from typing import Any

from ..recording import spool
from ..recording.copying import RecordingBuilder
from ..recording.format import Layout
from ..recording.recording import Recording, Snapshot
from ..system import clock
from ..system.forking import fork_safe_lock
from .strands import release_pages

#: Held while a piece is taken: two threads get each byte once.
_lock = fork_safe_lock()
#: Keyword arguments of IPython's ``RichOutput``.
Display = dict[str, Any]
#: Copied at once.
_COPY_BYTES = 1 << 20


class Unread:
    """Takes a recording piece by piece: each byte is in one of them, in order.

    A piece is a copy, a complete recording of its own: it can be read when the log is closed. A
    character of which a part has not come yet is left for the next piece, whole.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._since = recording.metadata.started
        self._position = 0  # of what is next, in all that was ever written
        self._faults = 0  # bytes lost before it
        self._displays = 0  # that were taken
        self._held: dict[int, bytes] = {}  # by source, the beginning of a character

    def take(self, outputs: list[Display]) -> tuple[Recording, list[Display]]:
        """Return what is new, and the displays that are. Raises `ValueError` if it is closed."""
        with _lock:
            now = self._recording.metadata.ended or clock.time_ns()
            snapshot = self._recording.snapshot()
            piece = _Piece(self._recording, dict(self._held))
            start, lost = self._start_in(snapshot)
            faults = self._recording.state.dropped + self._recording.metadata.dropped_before
            recording = piece.copy(snapshot, start, self._since, now, lost + faults - self._faults)
            self._held = piece.held
            self._position = len(snapshot) + snapshot.left_out
            self._faults, self._since = faults, now
            displays = outputs[self._displays :]
            self._displays += len(displays)
            return recording, displays

    def _start_in(self, snapshot: Snapshot) -> tuple[int, int]:
        """Return where in a snapshot the new begins, and how much of it a limit has left out."""
        start = self._position
        if snapshot.left_out:
            head = Layout(self._recording.metadata.max_bytes).first_half
            if start > head:
                start = max(head, start - snapshot.left_out)
        new = len(snapshot) + snapshot.left_out - self._position
        return start, new - (len(snapshot) - start)


class _Piece:
    """Copies the end of a snapshot into a recording of its own."""

    def __init__(self, recording: Recording, held: dict[int, bytes]) -> None:
        self._recording = recording
        self.held = held

    def copy(self, snapshot: Snapshot, start: int, since: int, now: int, lost: int) -> Recording:
        """Return the recording.

        Parameters
        ----------
        snapshot, start
            What to copy, and from which position on.
        since, now
            When the piece begins and ends (ns since the epoch).
        lost
            How many bytes were not kept of it.
        """
        times = snapshot.times
        first = max(bisect.bisect_right(snapshot.starts, start) - 1, 0)
        if start < len(snapshot):
            since, now = min(since, times[first]), max(now, times[-1])
        metadata = replace(
            self._recording.metadata,
            sources=snapshot.sources,
            started=since,
            stopped=now,
            max_bytes=None,
            gaps=(),
            dropped_before=lost,
            dropped_at_gap=0,
            dropped_why=self._recording.dropped_why if lost else None,
        )
        gaps: list[int] = []
        with RecordingBuilder(spool.directory(), metadata) as builder:
            for number in range(first, len(snapshot.starts)):
                begin = snapshot.starts[number]
                if lost and begin >= start and begin in snapshot.gaps:
                    self._add_held(builder, times[number])  # no character goes on beyond it
                    gaps.append(builder.end)
                last = number + 1 == len(snapshot.starts)
                end = len(snapshot) if last else snapshot.starts[number + 1]
                source, moment = snapshot.source_numbers[number], times[number]
                for position in range(max(begin, start), end, _COPY_BYTES):
                    data = bytes(snapshot.data[position : min(end, position + _COPY_BYTES)])
                    builder.add(source, self._whole(source, data), moment)
                    release_pages(snapshot.data)
            if self._recording.writing is None:
                self._add_held(builder, now)
            if lost and not gaps:
                gaps.append(builder.end)
            builder.recording.metadata = replace(metadata, gaps=tuple(gaps))
        return builder.recording

    def _whole(self, source: int, data: bytes) -> bytes:
        """Return what waited of a source and ``data``, without a character that is not whole."""
        data = self.held.pop(source, b"") + data
        decoder = codecs.getincrementaldecoder(self._recording.metadata.encoding)("replace")
        decoder.decode(data)
        unfinished = decoder.getstate()[0]
        if unfinished and data.endswith(unfinished):
            self.held[source] = unfinished
            return data[: -len(unfinished)]
        return data

    def _add_held(self, builder: RecordingBuilder, moment: int) -> None:
        while self.held:
            source, data = self.held.popitem()
            builder.add(source, data, moment)
