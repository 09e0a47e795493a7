"""Captures of this process that run while workers write: their logs have that as well.

Each worker is a labelled child of such a capture: what comes is written into pipes of its own,
which the capture's drain empties as it does those of children. So whatever a capture does with
output (shown live, limited, searched) it does with that of workers.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Callable

from ..capture.children.child import PIPE_BYTES
from ..capture.children.child_log import ChildLog, current_log
from ..capture.session import CaptureSession, on_start
from ..errors import CaptureError
from ..live.follower import Follower
from ..live.terminal import write_all
from ..recording.recording import Recording
from ..recording.sources import is_stderr, label_of
from ..recording.tail_reader import Chunk, end_of
from ..system.descriptors import Descriptor
from ..system.finalizers import Finalizer
from ..system.forking import fork_safe_lock
from ..system.pipes import open_pipe
from ..system.user_warnings import warn_user

#: How long the end of a capture waits for workers to tell what they wrote while it ran.
FETCH_S = 1.0
_INTERVAL_S = 0.05


class CapturedCells:
    """Copies what workers write into the captures that run meanwhile.

    Parameters
    ----------
    recording
        Where it is written as it comes.
    fetch
        Has everything there that was written by now, within so many seconds.
    now
        Returns the time (ns) by the clock of the recording.
    """

    def __init__(
        self,
        recording: Recording,
        fetch: Callable[[float], object],
        now: Callable[[], int],
    ) -> None:
        self._recording = weakref.ref(recording)
        self._fetch = fetch
        self._now = now
        #: Call it to copy nothing into later captures.
        self.close = Finalizer(recording, self._end)
        #: From when to when (ns; None: it runs) captures had it.
        self._spans: list[list[int | None]] = []
        on_start.append(self._begin)

    def has(self, time_ns: int) -> bool:
        """Tell whether what was written at a time is in the log of a capture."""
        return any(
            start is not None and start <= time_ns and (stop is None or time_ns <= stop)
            for start, stop in self._spans
        )

    def _begin(self, session: CaptureSession) -> None:
        recording = self._recording()
        if recording is None or recording.closed:
            return
        span: list[int | None] = [self._now(), None]
        try:
            target = IntoCapture(current_log(), span)
            position = end_of(recording)
            follower = Follower(recording, target, _INTERVAL_S, "workers", position=position)
            follower.start()
        except (OSError, CaptureError) as error:
            message = f"ipyfdcapture: this capture's log has nothing of workers: {error}"
            warn_user(message)
            return
        self._spans.append(span)

        def end() -> None:
            # Not before: a worker's helper may have read a little later what was written by now.
            self._fetch(FETCH_S)
            span[1] = self._now()
            follower.catch_up()
            follower.abandon()
            target.close()

        session.before_end(end)

    def _end(self) -> None:
        """Copy nothing more into captures that begin from now on."""
        with contextlib.suppress(ValueError):
            on_start.remove(self._begin)


class IntoCapture:
    """A target that writes into the pipes of a capture, each label a child of it.

    Parameters
    ----------
    log
        Where children of the capture are recorded.
    span
        From when to when (ns; None: no end) what was written belongs there.
    """

    is_seen = False
    tail_bytes: int | None = None

    def __init__(self, log: ChildLog, span: list[int | None]) -> None:
        self._log = log
        self._span = span
        self._pipes: dict[str, dict[bool, Descriptor]] = {}
        self._is_closed = False
        self._lock = fork_safe_lock()
        self.error: BaseException | None = None
        self.should_continue: Callable[[], bool]

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        self._recording = recording

    def show(self, chunks: list[Chunk]) -> None:
        """See `Target`."""
        start, stop = self._span
        for chunk in chunks:
            if chunk.time_ns < (start or 0) or (stop is not None and chunk.time_ns > stop):
                continue
            source = self._recording.sources[chunk.source]
            with self._lock:
                if self._is_closed:
                    return
                label = label_of(source)
                if label not in self._pipes:
                    self._pipes[label] = self._open(label)
                write_all(self._pipes[label][is_stderr(source)], chunk.data)

    def _open(self, label: str) -> dict[bool, Descriptor]:
        with contextlib.ExitStack() as opened:
            read_ends: dict[str, int] = {}
            write_ends: dict[bool, Descriptor] = {}
            for name in ("stdout", "stderr"):
                read_ends[name], write_end = open_pipe(PIPE_BYTES)
                write_ends[name == "stderr"] = Descriptor(write_end)
                opened.callback(os.close, read_ends[name])
                opened.callback(write_ends[name == "stderr"].close)
            opened.pop_all()
        self._log.add(label, read_ends, None)
        return write_ends

    def skip(self, count: int) -> None:
        """See `Target`."""

    def tick(self) -> None:
        """See `Target`."""

    def catch_up(self) -> None:
        """See `Target`."""

    def cleared(self) -> None:
        """See `Target`."""

    def capture_ended(self) -> None:
        """See `Target`."""

    def close(self) -> None:
        """See `Target`."""
        with self._lock:
            self._is_closed = True
            for pipes in self._pipes.values():
                for pipe in pipes.values():
                    pipe.close()
            self._pipes.clear()
            self._log.__exit__()
