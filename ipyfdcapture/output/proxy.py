"""Python's own output, told apart by thread and by task.

A server that runs its users' code in threads or `asyncio` tasks has one ``sys.stdout`` for all of
them. Here two proxies take the place of ``sys.stdout`` and ``sys.stderr``; each passes a write on
to the streams of the thread or task that makes it, and to the original if that has none.

Streams are handed down: by a thread to the tasks and threads that it starts and to what it
submits to a `concurrent.futures.ThreadPoolExecutor`. They are shared, not copied: when their
owner ends them, they end for everyone who got them from there.

Only what goes through ``sys.stdout`` and ``sys.stderr`` can be told apart like this. Descriptors
belong to the process: what C code or child programs write carries no thread. To keep that apart,
give each user a process.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import io
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, TextIO, cast

from ..checks import check_max_bytes, check_stream
from ..errors import CaptureError, reason
from ..log.captured import Captured
from ..recording import spool
from ..recording.metadata import Metadata
from ..recording.recording import Recording, State
from ..recording.writer import RecordingWriter
from ..system.interrupts import deferred_interrupts

__all__ = [
    "ThreadStreamProxy",
    "capture_thread",
    "clear_thread_streams",
    "install_thread_streams",
    "set_thread_streams",
    "uninstall_thread_streams",
]

_NAMES = ("stdout", "stderr")
_ENCODING = "utf-8"
#: An unfinished line longer than this is recorded as it is.
_MAX_HELD_BYTES = 64 << 10


# -- the public functions ---------------------------------------------------------------------


def install_thread_streams() -> None:
    """Put a `ThreadStreamProxy` in the place of ``sys.stdout`` and of ``sys.stderr``.

    Until `uninstall_thread_streams`, `threading.Thread.start` and
    `concurrent.futures.ThreadPoolExecutor.submit` hand a thread's streams down. Nothing changes
    for threads that have none. Idempotent; safe from any thread.
    """
    with _lock:
        _installed().kept = True


def uninstall_thread_streams() -> None:
    """Put back ``sys.stdout``, ``sys.stderr`` and the hooks as `install_thread_streams` found them.

    Whatever is in ``sys.stdout`` by now gives way, also what somebody else put there after the
    installation. A proxy that is still held somewhere (by a logging handler, or by a
    `contextlib.redirect_stdout` that will put it back) hands everything on to the original.
    An active `capture_thread` gets nothing more. Idempotent; safe from any thread.
    """
    with _lock:
        if _installation is not None:
            _remove(force=True)


def set_thread_streams(stdout: TextIO | None, stderr: TextIO | None) -> None:
    """Have what the current thread writes through Python go to these streams.

    They hold for the `asyncio` tasks and threads that it starts from now on, too, until
    `clear_thread_streams` or the next call. A thread that ends without clearing leaves nothing
    behind.

    Parameters
    ----------
    stdout, stderr
        Text streams; the caller keeps and closes them. None (or a proxy) leaves that name alone.

    Raises
    ------
    ValueError
        One of them is no stream. Nothing was changed.
    """
    check_stream("stdout", stdout)
    check_stream("stderr", stderr)
    _end_own_streams()
    streams = _Streams(_not_proxy(stdout), _not_proxy(stderr), _own_streams())
    _in_thread.streams = streams
    _in_context.set(streams)


def clear_thread_streams() -> None:
    """Undo `set_thread_streams` in this thread, and in all that got the streams from it.

    They then write where they would have written without: to the streams of whoever started
    them, if there are any, or to the original. Harmless if nothing is set. In a thread that only
    got its streams handed down, they stay.
    """
    _end_own_streams()


@contextlib.contextmanager
def capture_thread(*, max_bytes: int | None = None) -> Iterator[Captured]:
    """Capture what this thread writes through Python, and the tasks and threads that it starts.

    In a coroutine: what this task writes, and none of the others on its loop. Blocks nest, in any
    order of ending; the innermost gets the output. What still runs when the block ends writes,
    from then on, where the block's surroundings write: join or await what should be in. The
    proxies are installed for as long as a block is active.

    Parameters
    ----------
    max_bytes
        Keep at most that many bytes, the first half and the last half; None keeps all.

    Returns
    -------
    Captured
        It grows while the block runs, and is complete at its end.

    Raises
    ------
    ValueError
        ``max_bytes`` is not a positive number of bytes. Nothing was changed.
    CaptureError
        The recording cannot be made. Nothing was changed.
    """
    check_max_bytes(max_bytes)
    with contextlib.ExitStack() as undo:
        with deferred_interrupts():
            installation = _hold_installation()
            undo.callback(_let_go_of, installation)
            sink = _Sink.create(max_bytes)
            undo.callback(sink.release)
            streams = _Streams(None, None, _own_streams())
            streams.stdout = sink.text_stream(0, streams)
            streams.stderr = sink.text_stream(1, streams)
            undo.callback(streams.end)
            _in_context.set(streams)
        yield Captured(sink.recording)


# -- the streams of a thread or a task --------------------------------------------------------


class _Streams:
    """Where a thread or a task, and all that it handed them down to, write.

    Once ended it leads on to ``before``, so that holding an ended one is harmless: contexts are
    copied where nobody sees it, and copies cannot be taken back. That is also why a context is
    never reset.
    """

    __slots__ = ("before", "stderr", "stdout")

    def __init__(
        self, stdout: TextIO | None, stderr: TextIO | None, before: _Streams | None
    ) -> None:
        self.stdout = stdout
        self.stderr = stderr
        self.before = before

    def end(self) -> None:
        self.stdout = self.stderr = None


#: What tasks inherit, because contexts do. It comes before what the thread has.
_in_context: contextvars.ContextVar[_Streams | None] = contextvars.ContextVar(
    "ipyfdcapture.output.streams", default=None
)


class _InThread(threading.local):
    """What `set_thread_streams` set, for callbacks that run here in another context."""

    streams: _Streams | None = None


_in_thread = _InThread()
#: In a context: here, nothing is handed down.
_NOTHING = _Streams(None, None, None)


def _own_streams() -> _Streams | None:
    """Return the streams of the current task or thread, None if it writes to the original."""
    streams = _in_context.get()
    if streams is _NOTHING:
        return None
    return _not_ended(streams) or _not_ended(_in_thread.streams)


def _not_ended(streams: _Streams | None) -> _Streams | None:
    while streams is not None and streams.stdout is None and streams.stderr is None:
        streams = streams.before
    return streams


def _find(streams: _Streams | None, name: str) -> TextIO | None:
    """Return the stream of that name, from the newest of ``streams`` that has one."""
    while streams is not None:
        stream: TextIO | None = getattr(streams, name)
        if stream is not None:
            return stream
        streams = streams.before
    return None


def _end_own_streams() -> None:
    if _in_thread.streams is not None:
        _in_thread.streams.end()
        _in_thread.streams = None


def _not_proxy(stream: TextIO | None) -> TextIO | None:
    return None if isinstance(stream, ThreadStreamProxy) else stream


# -- the proxies ------------------------------------------------------------------------------


class _Delegating:
    """Passes on whatever is asked of it to the object that is right at that moment.

    Methods are looked up when they are called, not when they are fetched: code that keeps
    ``sys.stdout.write`` for later must not keep one user's stream for all.
    """

    __slots__ = ("_proxied_patches",)

    def __init__(self) -> None:
        self._proxied_patches: weakref.WeakValueDictionary[int, _Patch]
        self._proxied_patches = weakref.WeakValueDictionary()

    def _target(self) -> Any:
        raise NotImplementedError

    def write(self, data: Any, /) -> int:
        count: int = self._target().write(data)
        return count

    def writelines(self, lines: Any, /) -> None:
        self._target().writelines(lines)

    def flush(self) -> None:
        self._target().flush()

    def close(self) -> None:
        """Close the current thread's stream, or the original if it has none."""
        self._target().close()

    def fileno(self) -> int:
        number: int = self._target().fileno()
        return number

    def isatty(self) -> bool:
        return bool(self._target().isatty())

    def readable(self) -> bool:
        return bool(self._target().readable())

    def writable(self) -> bool:
        return bool(self._target().writable())

    def seekable(self) -> bool:
        return bool(self._target().seekable())

    def __enter__(self) -> Any:
        self._target().__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._target())

    def __next__(self) -> Any:
        return next(self._target())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python asks of an object is about the object itself
            raise AttributeError(name)
        return getattr(self._target(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_proxied_"):
            object.__setattr__(self, name, value)
        elif name not in vars(_Delegating):
            setattr(self._target(), name, value)
        elif value == getattr(self, name):
            self._unpatch(name)  # whoever replaced it before puts back what they found
        else:
            patch = _Patch(self._target(), name, value)
            self._proxied_patches[id(patch)] = patch

    def __delattr__(self, name: str) -> None:
        if not self._unpatch(name):
            delattr(self._target(), name)

    def _unpatch(self, name: str) -> bool:
        """Undo the newest patch of that name, on the current stream if that has one."""
        target = self._target()
        patches = [patch for patch in self._proxied_patches.values() if patch.name == name]
        patches.sort(key=lambda patch: patch.target is target)
        if patches:
            del self._proxied_patches[id(patches[-1])]
            patches[-1].undo()
        return bool(patches)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *dir(self._target())})

    def __reduce__(self) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")


class _Patch:
    """What somebody put in the place of a stream's method, through a proxy.

    IPython does that to ``sys.stdout.write`` for each cell. The method that they found there, and
    call from theirs, is the proxy's: it looks the stream's method up again and finds theirs. So,
    within theirs, this stands for the one below.
    """

    def __init__(self, target: Any, name: str, function: Callable[..., Any]) -> None:
        self.target = target
        self.name = name
        self._function = function
        self._below = getattr(target, name)
        self._replaced = {name: self._below} if name in vars(target) else {}
        self._within = threading.local()
        setattr(target, name, self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if vars(self._within).get("active"):
            return self._below(*args, **kwargs)
        self._within.active = True
        try:
            return self._function(*args, **kwargs)
        finally:
            self._within.active = False

    def undo(self) -> None:
        self._function = self._below  # for those who put theirs on top
        attributes = vars(self.target)
        if attributes.get(self.name) is self:
            del attributes[self.name]
            attributes.update(self._replaced)


# Registered, not derived: io.TextIOBase would bring methods of its own, which hide the stream's,
# and a finalizer that closes.
@io.TextIOBase.register
class ThreadStreamProxy(_Delegating):
    """A text stream that is, for each thread and task, the stream which that one has.

    ``encoding``, ``errors``, ``newlines``, ``line_buffering``, ``closed`` and whatever else the
    stream has are its own, also when they are set.

    Parameters
    ----------
    name
        ``"stdout"`` or ``"stderr"``.
    original
        Where threads without a stream of their own write; None drops what they write.
    """

    __slots__ = ("_proxied_buffer", "_proxied_name", "_proxied_original")

    def __init__(self, name: str, original: TextIO | None) -> None:
        super().__init__()
        self._proxied_name = name
        self._proxied_original = original
        self._proxied_buffer = _BufferProxy(self)

    def _target(self) -> Any:
        # Not whether this proxy is in sys: handlers made during one installation keep theirs.
        if _installation is not None:
            stream = _find(_own_streams(), self._proxied_name)
            if stream is not None:
                return stream
        original = self._proxied_original
        return NOWHERE if original is None else original

    @property
    def buffer(self) -> Any:
        """The binary side, for whoever writes to it. AttributeError if the stream has none."""
        self._proxied_buffer._target()
        return self._proxied_buffer

    def __repr__(self) -> str:
        return f"<ThreadStreamProxy {self._proxied_name} of {self._proxied_original!r}>"


@io.BufferedIOBase.register
class _BufferProxy(_Delegating):
    """The ``buffer`` of the right stream."""

    __slots__ = ("_proxied_text",)

    def __init__(self, text: ThreadStreamProxy) -> None:
        super().__init__()
        self._proxied_text = text

    def _target(self) -> Any:
        return self._proxied_text._target().buffer


class _Nowhere(io.TextIOBase):
    """In the place of a ``sys.stdout`` that is None, as in a program without a terminal."""

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        return len(text)


NOWHERE = _Nowhere()


# -- below the proxies, for captures of descriptors -------------------------------------------


def process_stream(name: str) -> Any:
    """Return ``sys.<name>`` as threads without streams of their own see it.

    Captures of descriptors use this and `set_process_stream` in place of ``sys.stdout`` itself,
    so that they take what belongs to the process, and leave threads their own streams.
    """
    stream = getattr(sys, name, None)
    return stream._proxied_original if isinstance(stream, ThreadStreamProxy) else stream


def set_process_stream(name: str, stream: Any) -> None:
    """Put ``stream`` in the place of `process_stream`, below the proxy if there is one."""
    current = getattr(sys, name, None)
    if isinstance(current, ThreadStreamProxy):
        current._proxied_original = stream
    else:
        setattr(sys, name, stream)


def put_before_own(name: str, stream: TextIO) -> Callable[[], None]:
    """If this thread or task has streams of its own, have ``stream`` come first.

    A capture inside `capture_thread` is the inner one, so it gets what its own thread prints.
    Returns what undoes it, from any thread.
    """
    own = _own_streams()
    if own is None:
        return _do_nothing
    streams = _Streams(None, None, own)
    setattr(streams, name, stream)
    _in_context.set(streams)
    return streams.end


def _do_nothing() -> None:
    pass


# -- installing -------------------------------------------------------------------------------


class _Installation:
    """The proxies in ``sys`` and the hooks in `threading`, and the way back."""

    def __init__(self) -> None:
        self.kept = False  # by install_thread_streams()
        self.captures = 0
        self._hooks = (
            _Hook(threading.Thread, "start", _start_thread),
            _Hook(ThreadPoolExecutor, "submit", _submit),
        )
        self._proxies = [ThreadStreamProxy(name, process_stream(name)) for name in _NAMES]
        for proxy in self._proxies:
            setattr(sys, proxy._proxied_name, proxy)

    def remove(self, force: bool) -> None:
        """Take the proxies out; with ``force``, whatever is in their place too."""
        for hook in self._hooks:
            hook.remove()
        for proxy in self._proxies:
            name = proxy._proxied_name
            if force or getattr(sys, name, None) is proxy:
                setattr(sys, name, proxy._proxied_original)


_installation: _Installation | None = None
_lock = threading.Lock()


def _installed() -> _Installation:
    global _installation
    if _installation is None:
        _installation = _Installation()
    return _installation


def _remove(force: bool) -> None:
    global _installation
    assert _installation is not None
    _installation.remove(force)
    _installation = None


def _hold_installation() -> _Installation:
    with _lock:
        installation = _installed()
        installation.captures += 1
        return installation


def _let_go_of(installation: _Installation) -> None:
    with _lock:
        installation.captures -= 1
        if installation is _installation and not installation.captures and not installation.kept:
            _remove(force=False)


class _Hook:
    """A method of a class with something around it, until removed.

    If somebody put a wrapper of their own on top, ours must stay where it is. It then does
    nothing of its own any more.
    """

    def __init__(self, owner: type, name: str, around: Callable[..., Any]) -> None:
        self._owner = owner
        self._name = name
        self._active = True
        self._original = original = getattr(owner, name)

        @functools.wraps(original)
        def hook(*args: Any, **kwargs: Any) -> Any:
            if not self._active:
                return original(*args, **kwargs)
            return around(original, *args, **kwargs)

        self._hook = hook
        setattr(owner, name, hook)

    def remove(self) -> None:
        self._active = False
        if getattr(self._owner, self._name) is self._hook:
            setattr(self._owner, self._name, self._original)


def _start_thread(start: Callable[..., None], thread: threading.Thread) -> None:
    """Start a thread that writes where its starter does."""
    streams = _own_streams()
    if streams is None:
        start(thread)
        return
    attributes = vars(thread)
    replaced = {"run": attributes["run"]} if "run" in attributes else {}

    def put_back() -> None:
        attributes.pop("run", None)
        attributes.update(replaced)

    def run() -> None:
        put_back()
        _in_context.set(streams)
        thread.run()

    attributes["run"] = run
    try:
        start(thread)
    except BaseException:
        put_back()
        raise


def _submit(
    submit: Callable[..., Any],
    pool: ThreadPoolExecutor,
    function: Callable[..., Any],
    /,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Submit a call that writes where its submitter does, to a worker that serves all."""
    streams = _own_streams()
    if streams is None:
        return submit(pool, function, *args, **kwargs)
    before = _in_context.set(_NOTHING)  # a worker started now must not inherit
    try:
        return submit(pool, _call_with, streams, function, *args, **kwargs)
    finally:
        _in_context.reset(before)


def _call_with(
    streams: _Streams, function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    before = _in_context.set(streams)
    try:
        return function(*args, **kwargs)
    finally:
        _in_context.reset(before)


# -- recording without a pipe -----------------------------------------------------------------


class _Sink:
    """Writes text streams into one recording, until released.

    An unfinished line is held back for the thread that writes it, until it ends, is flushed, or
    somebody looks: `print` writes a line and its end one after the other, and those of two
    threads must not mix.

    It is the recording's `ipyfdcapture.recording.recording.Writing`.
    """

    def __init__(self, recording: Recording, writer: RecordingWriter) -> None:
        self.recording = recording
        self._writer: RecordingWriter | None = writer
        self._lock = threading.RLock()
        self._jobs: deque[Callable[[], None]] = deque()
        self._is_busy = False
        self._has_last = False
        self._held: dict[int, tuple[int, bytes]] = {}  # source and bytes, by thread
        self._state = State(writing=True)
        self._released = threading.Event()
        recording.writing = self
        _sinks.add(self)

    @classmethod
    def create(cls, max_bytes: int | None) -> _Sink:
        metadata = Metadata(
            started=time.time_ns(), sources=tuple(_NAMES), max_bytes=max_bytes, encoding=_ENCODING
        )
        try:
            recording, data_fd, index_fd = Recording.create(spool.directory(), metadata)
        except OSError as error:
            raise CaptureError(f"cannot capture: {reason(error)}") from error
        return cls(recording, RecordingWriter(recording.path, data_fd, index_fd, max_bytes))

    def text_stream(self, source: int, streams: _Streams) -> TextIO:
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

    def update(self) -> State:
        self._do(self._look)
        return self._state

    def wait(self, timeout: float | None) -> bool:
        return self._released.wait(timeout)

    def release(self) -> None:
        """End the recording. Idempotent."""
        if not self._do(self._close, is_last=True):
            return
        if not self.recording.closed:
            self.recording.finish(time.time_ns())
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
        self._lock = threading.RLock()
        self._has_last = True
        self._jobs.clear()
        self._state.writing = False
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


class _SinkBuffer(io.BufferedIOBase):
    """The binary side of one source."""

    def __init__(self, sink: _Sink, source: int, streams: _Streams) -> None:
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
        name = _NAMES[self._source]
        stream = _find(self._streams.before, name)
        if stream is None:
            stream = process_stream(name)
        if stream is not None:
            stream.write(chunk.decode(_ENCODING, "replace"))


_sinks: weakref.WeakSet[_Sink] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()
    for sink in _sinks:
        sink.forget_after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
