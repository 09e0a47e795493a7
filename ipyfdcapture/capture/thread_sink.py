"""Text streams that write into one recording, without a pipe, for `capture_thread`."""

from __future__ import annotations

import contextlib
import functools
import io
import math
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TextIO, cast

from ..errors import CaptureError, reason
from ..live.follower import Follower
from ..live.target import TargetContext
from ..live.targets import LiveTarget
from ..output.own_streams import Streams, find_users
from ..output.proxy import NAMES, process_stream
from ..recording import spool
from ..recording.metadata import Metadata
from ..recording.recording import Recording, State
from ..recording.writer import RecordingWriter
from ..system import clock
from ..system.descriptors import duplicate_if_open
from ..system.forking import Stage, at_fork, fork_safe_lock
from ..system.interrupts import LONGEST_WAIT_S
from ..system.living import Living
from .options import CaptureOptions

_ENCODING = "utf-8"
#: An unfinished line longer than this is recorded as it is.
_MAX_HELD_BYTES = 64 << 10


class Sink:
    """Writes text streams into one recording, until released.

    An unfinished line is held back for the thread that writes it, until it ends, is flushed, or
    somebody looks: `print` writes a line and its end one after the other, and those of two
    threads must not mix.

    It is the recording's `ipyfdcapture.recording.recording.Writing`.
    """

    def __init__(self, recording: Recording, writer: RecordingWriter) -> None:
        self.recording = recording
        self._writer: RecordingWriter | None = writer
        self._lock = fork_safe_lock()
        self._jobs: deque[Callable[[], None]] = deque()
        self._is_busy = False
        self._has_last = False
        self._held: dict[int, tuple[int, bytes]] = {}  # source and bytes, by thread
        self._state = State(writing=True)
        self._released = threading.Event()
        recording.writing = self
        _sinks.add(self)

    @classmethod
    def create(cls, max_bytes: int | None) -> Sink:
        metadata = Metadata(
            started=clock.time_ns(), sources=tuple(NAMES), max_bytes=max_bytes, encoding=_ENCODING
        )
        try:
            recording, data_fd, index_fd = Recording.create(spool.directory(), metadata)
        except OSError as error:
            raise CaptureError(f"cannot capture: {reason(error)}") from error
        return cls(recording, RecordingWriter(recording.path, data_fd, index_fd, max_bytes))

    def text_stream(self, source: int, streams: Streams) -> TextIO:
        return io.TextIOWrapper(
            cast(Any, _SinkBuffer(self, source, streams)),
            encoding=_ENCODING,
            errors="backslashreplace",  # a print must not fail because it is captured
            newline="\n",
            write_through=True,
        )

    def append(self, chunk: bytes, source: int) -> bool:
        """Append to the recording; return False if it has ended."""
        job = functools.partial(self._record, threading.get_ident(), chunk, source)
        return self._do(job)

    def flush(self) -> None:
        """Record this thread's unfinished line."""
        self._do(functools.partial(self._record_held, threading.get_ident()))

    @property
    def is_done(self) -> bool:
        return not self._state.writing

    def update(self) -> State:
        self._do(self._look)
        return self._state

    def wait(self, timeout: float | None) -> bool:
        deadline = math.inf if timeout is None else clock.monotonic() + timeout
        while not self._released.wait(max(0.0, min(LONGEST_WAIT_S, deadline - clock.monotonic()))):
            if clock.monotonic() >= deadline:
                return False
        return True

    def release(self) -> None:
        """End the recording. Idempotent."""
        if not self._do(self._close, is_last=True):
            return
        if not self.recording.closed:
            self.recording.finish(clock.time_ns())
        self.recording.update()  # which lets go of this object
        self._released.set()

    def _do(self, job: Callable[[], None], is_last: bool = False) -> bool:
        """Do one job after the other; return False if the last was given before.

        A signal handler, or the `__del__` of what is collected, may print in the middle of a job
        of its own thread. Its job is not waited for, but left to whoever does that one.
        """
        with self._lock:
            if self._has_last:
                return False
            self._has_last = is_last
            self._jobs.append(job)
            # Twice, for a job that comes between the last look and the end of the inner loop.
            while self._jobs and not self._is_busy:
                self._is_busy = True
                try:
                    while self._jobs:
                        self._jobs.popleft()()
                finally:
                    self._is_busy = False
        return True

    def _record(self, thread: int, chunk: bytes, source: int) -> None:
        assert self._writer is not None
        held_source, held = self._held.pop(thread, (source, b""))
        if held_source == source:
            chunk = held + chunk
        else:
            self._writer.append(held, held_source)
        if chunk.endswith(b"\n") or len(chunk) > _MAX_HELD_BYTES:
            self._writer.append(chunk, source)
        elif chunk:
            self._held[thread] = (source, chunk)

    def _record_held(self, thread: int) -> None:
        assert self._writer is not None
        if thread in self._held:
            source, chunk = self._held.pop(thread)
            self._writer.append(chunk, source)

    def _look(self) -> None:
        assert self._writer is not None
        for thread in list(self._held):
            self._record_held(thread)
        self._state.dropped = self._writer.dropped
        self._state.dropped_why = self._writer.dropped_why

    def _close(self) -> None:
        self._look()
        assert self._writer is not None
        self._writer.close()
        self._writer = None
        self._state.writing = False

    def forget_after_fork(self) -> None:
        """The recording is the parent's: a child that wrote too would write over it."""
        self._has_last = True
        self._jobs.clear()
        self._state.writing = False
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


def follow_sink(sink: Sink, targets: Iterable[LiveTarget], undo: contextlib.ExitStack) -> None:
    """Show on targets what is written to a sink, from a copy of this context.

    ``undo`` waits until everything is shown, once the sink is released. Raises `CaptureError`.
    """
    options = CaptureOptions
    context = TargetContext(
        frozenset(),
        duplicate_if_open,
        options.live_max_bytes,
        options.live_max_lines,
        options.tail_lines,
        options.name,
    )
    for name, make, _ in targets:
        try:
            target = make(context)
            follower = Follower(sink.recording, target, options.live_interval, name)
            follower.start()
        except OSError as error:
            raise CaptureError(f"cannot capture: {reason(error)}") from error
        undo.callback(follower.capture_ended)


class _SinkBuffer(io.BufferedIOBase):
    """The binary side of one source."""

    def __init__(self, sink: Sink, source: int, streams: Streams) -> None:
        self._sink = sink
        self._source = source
        self._streams = streams

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        chunk = bytes(data)
        if not self._sink.append(chunk, self._source):
            self._write_past(chunk)
        return len(chunk)

    def flush(self) -> None:
        self._sink.flush()

    def _write_past(self, chunk: bytes) -> None:
        """Another thread fetched this stream, and the capture ended before it wrote."""
        name = NAMES[self._source]
        stream = find_users(self._streams.outer, name)
        if stream is None:
            stream = process_stream(name)
        if stream is not None:
            stream.write(chunk.decode(_ENCODING, "replace"))


_sinks: Living[Sink] = Living()


def _forget_all_after_fork() -> None:
    for sink in _sinks:
        sink.forget_after_fork()


at_fork(Stage.STATE, in_child=_forget_all_after_fork)
