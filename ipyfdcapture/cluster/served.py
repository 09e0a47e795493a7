"""A worker's recording, as its clients ask for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from ..errors import CaptureError
from ..log.captured import Captured
from ..recording.recording import Recording
from ..recording.tail_reader import RecordingTail
from ..system import clock
from . import leftovers
from .protocol import MAX_READ_BYTES, Answer
from .summary import RunningSummary

#: So much is looked at for one answer that has only what some sources wrote: some 20 ms.
_MOST_BLOCKS = 16


class ServedRecording:
    """One recording that clients can ask for.

    Parameters
    ----------
    captured
        The log of it.
    incarnation
        What tells it from all others.
    left_dir
        Where this process leaves it when it ends.
    clock
        Returns the time, in ns since the epoch.
    """

    def __init__(
        self,
        captured: Captured,
        incarnation: str,
        left_dir: str,
        clock: Callable[[], int] = clock.time_ns,
    ) -> None:
        self._clock = clock
        self.captured = captured
        self.incarnation = incarnation
        self.left_dir = left_dir
        self.recording: Recording = captured.recording
        #: When it ended because no client was heard, in ns since the epoch; 0: it did not.
        self.lapsed = 0
        self._summary = RunningSummary(captured)
        #: Readers for each client, of all and of some sources, where those stopped reading: an
        #: index is read once.
        self._tails: dict[tuple[str, bool], RecordingTail] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def mark(self) -> Answer:
        """Return how far it goes: what was written before ``now`` ends at ``end`` or before."""
        now = self._clock()
        state = self.recording.update()
        with self._lock:
            end = self._tail("", None).end()
            return {
                "now": now,
                "incarnation": self.incarnation,
                "path": self.recording.path,
                "left_dir": self.left_dir,
                "end": end,
                "sources": list(self.recording.sources),
                "started": self.recording.metadata.started,
                "dropped": self.recording.dropped,
                "dropped_why": self.recording.dropped_why,
                "over": not state.writing and self.recording.metadata.ended is not None,
                "lapsed": self.lapsed,
                "summary": self._summary.update(end),
            }

    def end(self) -> int:
        """Return where it ends, without what is in the pipes."""
        with self._lock:
            return self._tail("", None).end()

    def read(
        self, session: str, start: int, stop: int, sources: Collection[int] | None = None
    ) -> Answer:
        """Return what lies from ``start`` on, up to ``stop`` or less.

        With ``sources``, their numbers, only what is of these.
        """
        with self._lock:
            tail = self._tail(session, start, sources is not None)
            for _ in range(_MOST_BLOCKS):
                limit = max(0, min(stop - tail.position, MAX_READ_BYTES))
                answer = leftovers.read_chunks(tail, limit, sources)
                if sources is None or answer["data"] or answer["start"] == answer["stop"]:
                    break
            return answer

    def _tail(self, session: str, start: int | None, is_part: bool = False) -> RecordingTail:
        if self._is_closed:  # a question that came late opens no files
            raise CaptureError("this recording is closed")
        key = session, is_part
        tail = self._tails.get(key)
        if tail is None or (start is not None and tail.position != start):
            if tail is not None:
                tail.close()
            tail = self._tails[key] = RecordingTail(self.recording, start or 0)
        return tail

    def forget(self, session: str) -> None:
        """One client wants nothing more."""
        with self._lock:
            for is_part in (False, True):
                tail = self._tails.pop((session, is_part), None)
                if tail is not None:
                    tail.close()

    def close(self) -> None:
        """Close the files that were opened to read it."""
        with self._lock:
            self._is_closed = True
            self._summary.close()
            while self._tails:
                self._tails.popitem()[1].close()
