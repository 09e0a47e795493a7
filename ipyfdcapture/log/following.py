"""A log file that still grows, copied into a recording whenever somebody looks."""

from __future__ import annotations

import contextlib
import os
import threading

from ..recording.foreign import ForeignFile
from ..recording.metadata import Metadata
from ..recording.recording import Recording, State, Writing
from ..recording.writer import RecordingWriter
from ..system import clock
from ..system.finalizers import Finalizer
from .timestamps import Layout, find_layout, moments_of

_READ_BYTES = 1 << 20


def follow(file: ForeignFile, directory: str, metadata: Metadata, find_times: bool) -> Recording:
    """Return a recording of a file that shows at each look what the file holds by then.

    Parameters
    ----------
    file
        The file. If another takes its place, or it is cut, the recording goes on with what is
        there then, from its start.
    directory
        Where to keep the recording.
    metadata
        What is known of it.
    find_times
        Whether to find times in the lines. A line is shown once it is whole then. Otherwise the
        time of a line is when it was seen first.
    """
    recording, data_fd, index_fd = Recording.create(directory, metadata)
    recording.writing = _Follower(file, recording.path, data_fd, index_fd, find_times)
    return recording


class _Follower(Writing):
    """The side of the recording that writes it: it copies when it is asked for an update."""

    def __init__(
        self, file: ForeignFile, path: str, data_fd: int, index_fd: int, find_times: bool
    ) -> None:
        self._file = file
        self._writer = RecordingWriter(path, data_fd, index_fd, None)
        self._find_times = find_times
        self._layout: Layout | None = None
        self._time = file.modified
        self._position = 0  # in the file
        self._rest = b""  # of a line that is not whole
        self._last = b"\n"  # the last byte that was copied
        self._owner = os.getpid()
        self._lock = threading.RLock()
        self._close = Finalizer(self, self._writer.close)

    def update(self) -> State:
        """Copy what is new."""
        if os.getpid() == self._owner:  # a forked child has the copy, but must not write to it
            with self._lock:
                self._copy()
        return State(self._writer.dropped, self._writer.dropped_why, writing=True)

    def wait(self, timeout: float | None) -> bool:
        """Wait for so many seconds (s): nobody can tell whether the file is still written."""
        if timeout is None:
            raise ValueError("nobody can tell when a followed file is complete: give a timeout")
        clock.sleep(timeout)
        return False

    def release(self) -> None:
        """Copy nothing more."""
        with self._lock:
            self._owner = -1
            self._close()
            self._file.close()

    def _copy(self) -> None:
        if os.fstat(self._file.fd).st_size < self._position:
            self._begin_anew()
        self._copy_new()
        if self._was_replaced():
            with contextlib.suppress(OSError):  # nothing that can be read took its place
                new = ForeignFile(self._file.path)
                self._file.close()
                self._file = new
                self._begin_anew()
                self._copy_new()

    def _was_replaced(self) -> bool:
        try:
            return not os.path.samestat(os.stat(self._file.path), os.fstat(self._file.fd))
        except OSError:
            return False  # removed: what was open can still be read

    def _begin_anew(self) -> None:
        self._position = 0
        if self._rest:
            self._append(self._rest)
            self._rest = b""
        if self._last != b"\n":
            self._append(b"\n")  # what was cut off does not go on with other content

    def _copy_new(self) -> None:
        if not self._find_times:
            self._time = clock.time_ns()
        while part := self._file.read(_READ_BYTES, self._position):
            self._position += len(part)
            if not self._find_times:
                self._append(part)
                continue
            whole, newline, self._rest = (self._rest + part).rpartition(b"\n")
            if newline:
                self._append_timed(whole + newline)

    def _append_timed(self, lines: bytes) -> None:
        if self._layout is None:
            self._layout = find_layout(lines)
        begun = 0
        if self._layout is not None:
            for start, moment in moments_of(memoryview(lines), self._layout, clock.time_ns()):
                if moment != self._time:
                    self._append(lines[begun:start])
                    begun, self._time = start, moment
        self._append(lines[begun:])

    def _append(self, data: bytes) -> None:
        if data:
            self._writer.append(data, 0, self._time)
            self._last = data[-1:]
