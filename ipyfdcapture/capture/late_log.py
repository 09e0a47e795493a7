"""The log of a capture that has ended, opened again for what its cell still writes."""

from __future__ import annotations

import contextlib
import errno
import os
import weakref
from collections import deque
from collections.abc import Callable, Mapping

from ..drain.choosing import get_drain
from ..drain.job import DrainJob, Pipe
from ..errors import CaptureError
from ..output.late_stream import LatePipe
from ..recording.recording import Recording
from ..recording.spool import Spool
from ..system.forking import fork_safe_lock
from ..system.pipes import open_pipe

#: As much as a pipe of Linux holds unasked: a user may have some hundred that hold 1 MiB, and a
#: pipe may stay open until somebody looks at the log.
_PIPE_BYTES = 64 << 10
#: So many logs that were complete may be open at once: each takes four descriptors.
_MOST_OPEN = 8
#: Those that may be, the oldest first.
_reopened: deque[weakref.ref[Recording]] = deque()


class LateLog:
    """Lets threads, tasks and callbacks write into a log after the end of its capture.

    It does not keep the recording. See `ipyfdcapture.output.late_stream.EndedLog`.

    Parameters
    ----------
    recording
        The recording of the capture.
    drain
        The kind of drain that writes it.
    place
        The spool that it is in.
    names
        The names of the sources of descriptors 1 and 2.
    """

    def __init__(
        self, recording: Recording, drain: str, place: Spool, names: Mapping[int, str]
    ) -> None:
        self._recording = weakref.ref(recording)
        self._drain = drain
        self._place = place
        self._names = names
        self._owner = os.getpid()
        self._sources: dict[int, int] = {}
        self._lock = fork_safe_lock()
        #: Whether it is shown where the user looks.
        self.is_seen = False

    @property
    def is_gone(self) -> bool:
        """See `ipyfdcapture.output.late_stream.EndedLog`."""
        recording = self._recording()
        # For a forked child it is its parent's: what the child writes is its own.
        return recording is None or recording.closed or self._owner != os.getpid()

    def open(self, fd: int, close: Callable[[], object] | None) -> LatePipe:
        """See `ipyfdcapture.output.late_stream.EndedLog`."""
        recording = self._recording()
        if recording is None:
            raise OSError(errno.ENOENT, "nobody keeps the log")
        with self._lock:
            job = recording.writing
            if isinstance(job, DrainJob) and job.state.writing:
                with contextlib.suppress(BrokenPipeError):  # it has become complete meanwhile
                    return LatePipe(self._add(recording, job, fd, close), is_reopened=False)
            return LatePipe(self._reopen(recording, fd, close), is_reopened=True)

    def _add(
        self, recording: Recording, job: DrainJob, fd: int, close: Callable[[], object] | None
    ) -> int:
        """Have a new pipe emptied by who empties others; return its write end."""
        source = self._source(recording, fd, job)
        return _open_pipe(source, lambda pipe: job.add_late(pipe, close))

    def _reopen(self, recording: Recording, fd: int, close: Callable[[], object] | None) -> int:
        """Have a complete recording written again, from a new pipe; return its write end."""
        try:
            drain = get_drain(self._drain)
        except CaptureError as error:
            raise OSError(errno.ECHILD, str(error)) from error
        if drain.is_in_use_here:
            raise OSError(errno.EBUSY, "this thread is amid a request to the drain")
        source = self._source(recording, fd, None)

        def record(pipe: Pipe) -> None:
            try:
                files = recording.reopen()
            except BaseException:
                pipe.close()
                raise
            job = drain.record(recording, self._place, files, None, [pipe])
            job.stopped = True
            job.note_late(source, close)

        write_end = _open_pipe(source, record)
        _reopened.append(self._recording)
        return write_end

    def update(self) -> None:
        """See `ipyfdcapture.output.late_stream.EndedLog`."""
        _update(self._recording)

    def close_oldest(self) -> None:
        """See `ipyfdcapture.output.late_stream.EndedLog`."""
        while len(_reopened) > _MOST_OPEN:
            with contextlib.suppress(IndexError):  # another thread has taken it
                _update(_reopened.popleft())

    def _source(self, recording: Recording, fd: int, job: DrainJob | None) -> int:
        """Return the number of a source that has no pipe at present.

        What children write to the capture's own pipe is for the captures to come as well, and this
        is not: so the sources are two, of one name.
        """
        number = self._sources.get(fd)
        if number is None or (job is not None and number in job.pipes):
            number = self._sources[fd] = len(recording.sources)
            recording.add_sources([self._names[fd]])
        return number


def _update(reference: weakref.ref[Recording]) -> None:
    recording = reference()
    if recording is not None:
        with contextlib.suppress(OSError):  # there is no helper
            recording.update()


def _open_pipe(source: int, take: Callable[[Pipe], object]) -> int:
    """Open a pipe for a source, of which ``take`` takes over the read end; return the other."""
    read_end, write_end = open_pipe(_PIPE_BYTES)
    try:
        take(Pipe(source, read_end))
    except BaseException:
        os.close(write_end)
        raise
    return write_end
