"""The streams that a thread or an `asyncio` task has of its own, and hands down."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import TextIO


class Streams:
    """Where a thread or a task, and all that it handed them down to, write.

    Once ended it leads on to ``outer``, so that holding an ended one is harmless: contexts are
    copied where nobody sees it, and copies cannot be taken back. That is also why a context is
    never reset.
    """

    __slots__ = ("outer", "stderr", "stdout")

    def __init__(self, stdout: TextIO | None, stderr: TextIO | None, outer: Streams | None) -> None:
        self.stdout = stdout
        self.stderr = stderr
        self.outer = outer

    def end(self) -> None:
        self.stdout = self.stderr = None


#: What tasks inherit, because contexts do. It comes before what the thread has.
in_context: contextvars.ContextVar[Streams | None] = contextvars.ContextVar(
    "ipyfdcapture.output.streams", default=None
)


class _InThread(threading.local):
    """What `set_thread_streams` set, for callbacks that run here in another context."""

    streams: Streams | None = None


in_thread = _InThread()
#: In a context: here, nothing is handed down.
NOTHING = Streams(None, None, None)


def own_streams() -> Streams | None:
    """Return the streams of the current task or thread, None if it writes to the original."""
    streams = in_context.get()
    if streams is NOTHING:
        return None
    return _not_ended(streams) or _not_ended(in_thread.streams)


def _not_ended(streams: Streams | None) -> Streams | None:
    while streams is not None and streams.stdout is None and streams.stderr is None:
        streams = streams.outer
    return streams


def find(streams: Streams | None, name: str) -> TextIO | None:
    """Return the stream of that name, from the newest of ``streams`` that has one."""
    while streams is not None:
        stream: TextIO | None = getattr(streams, name)
        if stream is not None:
            return stream
        streams = streams.outer
    return None


def end_own_streams() -> None:
    """End what `set_thread_streams` set in this thread."""
    if in_thread.streams is not None:
        in_thread.streams.end()
        in_thread.streams = None


def put_before_own(name: str, stream: TextIO) -> Callable[[], None]:
    """If this thread or task has streams of its own, have ``stream`` come first.

    A capture inside `capture_thread` is the inner one, so it gets what its own thread prints.
    Returns what undoes it, from any thread.
    """
    own = own_streams()
    if own is None:
        return _do_nothing
    streams = Streams(None, None, own)
    setattr(streams, name, stream)
    in_context.set(streams)
    return streams.end


def _do_nothing() -> None:
    pass
