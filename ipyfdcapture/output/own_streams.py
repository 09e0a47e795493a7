"""The marks that say where a thread or an `asyncio` task writes, and what inherits them.

`router` asks them at each write. `thread_streams` has the public functions that set streams of
the user's own; `streams` puts the process's streams into the hands of a capture.
"""

from __future__ import annotations

import contextvars
import threading
from typing import TextIO

from ..system.living import Living


class Streams:
    """Where a thread or a task, and all that it handed them down to, write.

    Once ended it leads on to ``outer``, so that holding an ended one is harmless: contexts are
    copied where nobody sees it, and copies cannot be taken back. That is also why a context is
    never reset.
    """

    __slots__ = ("__weakref__", "is_outside", "outer", "stderr", "stdout")

    #: Whether this, or what it leads on to, passes by captures. Asked at each ``os.write``.
    is_outside: bool
    #: Captures from this serial number on get nothing from here. None: all may.
    limit: int | None = None
    #: Whether it is a capture's; else a user has set it, or it sets nothing.
    is_captures = False

    def __init__(self, stdout: TextIO | None, stderr: TextIO | None, outer: Streams | None) -> None:
        self.stdout = stdout
        self.stderr = stderr
        self.outer = outer
        self.is_outside = outer is not None and outer.is_outside

    def stream(self, name: str) -> TextIO | None:
        """Return the stream of that name; None if this leaves it to ``outer``."""
        stream: TextIO | None = getattr(self, name)
        return stream

    @property
    def is_cell(self) -> bool:
        """Whether the captures of other cells get nothing from here."""
        return False

    @property
    def has_ended(self) -> bool:
        """Whether it is that of a capture which has ended."""
        return False

    @property
    def is_over(self) -> bool:
        """Whether it says nothing that ``outer`` does not say."""
        return self.stdout is None and self.stderr is None

    def end(self) -> None:
        """Lead on to ``outer`` from now on."""
        self.stdout = self.stderr = None


#: What tasks inherit, because contexts do. It comes before what the thread has.
in_context: contextvars.ContextVar[Streams | None] = contextvars.ContextVar(
    "ipyfdcapture.output.streams", default=None
)


class _InThread(threading.local):
    """What `set_own_streams` set, for callbacks that run here in another context."""

    streams: Streams | None = None

    def __init__(self) -> None:
        #: What was set before, and is still held by whoever got it handed down.
        self.earlier: Living[Streams] = Living()


in_thread = _InThread()
#: In a context: here, nothing is handed down.
NOTHING = Streams(None, None, None)


def own_streams() -> Streams | None:
    """Return the streams of the current task or thread, None if it writes to the original."""
    streams = in_context.get()
    if streams is NOTHING:
        return None
    return _not_over(streams) or _not_over(in_thread.streams)


def leave_void_streams() -> None:
    """Have this context hold nothing that is over: a copy of it would be another's, who obeys."""
    streams = in_context.get()
    if streams is not None and streams is not NOTHING and streams.is_over:
        in_context.set(_not_over(streams))


def _not_over(streams: Streams | None) -> Streams | None:
    while streams is not None and streams.is_over:
        streams = streams.outer
    return streams


def find(streams: Streams | None, name: str) -> TextIO | None:
    """Return the stream of that name, from the newest of ``streams`` that has one.

    Late output is for the newest capture alone, even if that leaves out this stream.
    """
    is_within_capture = False
    while streams is not None:
        stream = streams.stream(name)
        if stream is not None and not (is_within_capture and streams.has_ended):
            return stream
        is_within_capture = is_within_capture or streams.is_captures
        streams = streams.outer
    return None


def find_users(streams: Streams | None, name: str) -> TextIO | None:
    """Return the stream that a user has set; None if a capture comes first, or there is none."""
    while streams is not None:
        stream = streams.stream(name)
        if stream is not None:
            return None if streams.is_captures else stream
        streams = streams.outer
    return None


def set_own_streams(stdout: TextIO | None, stderr: TextIO | None) -> None:
    """Set streams for this thread; None leaves what is set.

    Whoever got them handed down keeps what is not replaced here, and gets nothing of what is new.
    """
    before = in_thread.streams
    if before is not None:
        in_thread.streams = None
        in_thread.earlier.add(before)
        if stdout is None:
            stdout = before.stdout
        else:
            before.stdout = None
        if stderr is None:
            stderr = before.stderr
        else:
            before.stderr = None
    outer = own_streams()
    while outer is not None and outer in in_thread.earlier:
        outer = _not_over(outer.outer)
    in_thread.streams = Streams(stdout, stderr, outer)
    in_context.set(in_thread.streams)


def end_own_streams() -> None:
    """End what `set_own_streams` set in this thread."""
    if in_thread.streams is not None:
        for streams in (in_thread.streams, *in_thread.earlier):
            streams.end()
        in_thread.streams = None
        in_thread.earlier.clear()
