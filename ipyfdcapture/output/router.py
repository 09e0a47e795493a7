"""Who gets what Python writes: decided at each write, by who writes.

Threads, tasks, pools, handlers and stream objects outlive the cell that made them. So a capture
takes no stream object into its possession. It marks the context that it starts in, and contexts
are handed down to the tasks and threads that are started there (`.handing_down`). What is written
to ``sys.stdout`` goes to

1. the stream that this context or thread has: that of `capture_thread`, or that of the capture of
   the cell that started this thread or task;
2. else the newest capture, unless this context is a cell that has none, or is to stay outside;
3. else where the stream object itself writes.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from ..system.descriptors import STREAM_NAMES
from ..system.forking import fork_safe_lock
from .foreign import flush_quietly
from .own_streams import Streams, find, in_context, in_thread, leave_void_streams, own_streams

lock = fork_safe_lock()


class Route:
    """What one capture does with ``sys.stdout`` or ``sys.stderr``.

    Parameters
    ----------
    name
        ``"stdout"`` or ``"stderr"``.
    serial
        The number of the capture: later ones have higher numbers.
    stream
        Gets what Python writes. None: only native output is captured.
    open_base
        Opens a stream on what the descriptor would be without the capture.
    of_cell
        Whether it captures one cell, and not what other cells write meanwhile.
    mark
        The mark of the contexts that it captures.
    follows
        Whether the object in ``sys`` writes wherever the descriptor leads.
    """

    def __init__(
        self,
        name: str,
        serial: int,
        stream: Any,
        open_base: Callable[[], TextIO | None],
        of_cell: bool,
        mark: Streams,
        follows: bool,
    ) -> None:
        self.name = name
        self.serial = serial
        self.stream = stream
        self.of_cell = of_cell
        self.mark = mark
        self.follows = follows
        #: Whether it takes nothing and is in nobody's way, since the descriptor leads past it.
        self.is_paused = False
        self._open_base = open_base
        self._base: TextIO | None = None

    def base(self) -> TextIO | None:
        """Return a stream past the capture; None if there is nothing to write to."""
        base = self._base  # another thread may drop it meanwhile
        if base is None:
            base = self._base = self._open_base()
        return base

    def drop_base(self) -> None:
        """Let go of what `base` opened: it closes once nobody is writing to it."""
        base, self._base = self._base, None
        flush_quietly(base)

    def end(self) -> None:
        """Take nothing more. The descriptor still leads to the capture, until `remove_route`."""
        self.stream = None


#: The active captures' routes by name, the oldest first. Replaced, never changed in place.
active: dict[str, tuple[Route, ...]] = {"stdout": (), "stderr": ()}


#: Those marks whose contexts pass by captures with what they write to a descriptor. ``os.write``
#: asks it first: most of the time there is none. Nothing written in Python runs when one goes: an
#: interrupt that came just then would be lost.
passing: set[weakref.ref[Outside]] = set()


def _captures_nothing(fd: int) -> int | None:
    return None


class Outside(Streams):
    """In a context: captures from a serial number on get nothing from here."""

    __slots__ = ("dup_base", "limit")

    def __init__(
        self, limit: int, outer: Streams | None, dup_base: Callable[[int], int | None]
    ) -> None:
        super().__init__(None, None, outer)
        self.is_outside = True
        self.limit = limit
        #: Returns a new descriptor for what a captured one was before; None if it is not captured.
        self.dup_base = dup_base
        if dup_base is not _captures_nothing:
            passing.add(weakref.ref(self, passing.discard))

    @property
    def is_over(self) -> bool:
        """See `Streams`."""
        return False


class InCell(Streams):
    """In a context: a cell runs here, which may have no capture of its own."""

    __slots__ = ("_has_ended",)

    def __init__(self, outer: Streams | None) -> None:
        super().__init__(None, None, outer)
        self._has_ended = False

    @property
    def is_cell(self) -> bool:
        """See `Streams`."""
        return True

    @property
    def is_over(self) -> bool:
        """See `Streams`."""
        return self._has_ended

    def end(self) -> None:
        """See `Streams`."""
        self._has_ended = True


class CaptureMark(Streams):
    """In a context: what is written here belongs to one capture, also after its end.

    After the end it holds where threads, tasks and callbacks got it handed down, unless a newer
    capture is around them. In the context that the capture was started in, it is void then.

    Parameters
    ----------
    serial
        The number of the capture.
    on_idle
        Called once the capture has ended and no thread or task that it counts still runs, with
        whether callbacks may write after that. Not if another thread has ended the capture: the
        context that it was started in holds the mark then, and nobody can tell that from theirs.
    """

    __slots__ = (
        "_has_ended",
        "_on_idle",
        "_start",
        "_takes_callbacks",
        "_tasks",
        "_threads",
        "serial",
    )
    is_captures = True

    def __init__(self, serial: int, outer: Streams | None, on_idle: Callable[[bool], None]) -> None:
        super().__init__(None, None, outer)
        self.serial = serial
        self._on_idle: Callable[[bool], None] | None = on_idle
        self._takes_callbacks = True
        self._has_ended = False
        self._threads = 0
        self._tasks: set[weakref.ref[Any]] = set()
        #: Where it was started; None once that context holds it no more.
        self._start: tuple[int, int, int] | None = _here()

    def stream(self, name: str) -> TextIO | None:
        """See `Streams`."""
        return None if self._is_void_here() else super().stream(name)

    @property
    def is_over(self) -> bool:
        """See `Streams`. What is void here is not handed down from here."""
        return super().is_over or self._is_void_here()

    @property
    def is_cell(self) -> bool:
        """See `Streams`. What is late is not for the cell that runs by then, even if its own log
        is gone.
        """
        return self._has_ended and not self._is_void_here()

    @property
    def has_ended(self) -> bool:
        """See `Streams`."""
        return self._has_ended

    def _is_void_here(self) -> bool:
        """Whether this is the context that the capture was started in, and it has ended."""
        return self._has_ended and self._start is not None and _here() == self._start

    @property
    def is_idle(self) -> bool:
        """Whether no thread or task of the capture runs."""
        return not self._threads and not self._tasks

    def end(self) -> None:
        """The capture has ended: take what its threads and tasks write, as long as they run."""
        with lock:
            if in_context.get() is self:
                in_context.set(self.outer)
                if self._start == _here():
                    self._start = None
            self._has_ended = True
            self._takes_callbacks = self._start is None or self._start[0] == _here()[0]
            leave_void_streams()  # what `capture_thread` leaves would keep it
            self._end_if_idle()

    def enter_thread(self) -> None:
        """A thread of the capture begins."""
        with lock:
            self._threads += 1

    def leave_thread(self) -> None:
        """A thread of the capture has done its work."""
        with lock:
            self._threads -= 1
            self._end_if_idle()

    def add_task(self, task: Any) -> None:
        """Count a task until it is done, or gone."""
        reference = weakref.ref(task, self._remove_task)
        with lock:
            self._tasks.add(reference)
        task.add_done_callback(lambda task: self._remove_task(reference))

    def _remove_task(self, reference: weakref.ref[Any]) -> None:
        with lock:
            self._tasks.discard(reference)
            self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self._has_ended and self.is_idle:
            on_idle, self._on_idle = self._on_idle, None
            if on_idle is not None:
                if not self._takes_callbacks:
                    self.let_go()
                on_idle(self._takes_callbacks)

    def let_go(self) -> None:
        """The log is gone: take nothing more."""
        super().end()


def _here() -> tuple[int, int, int]:
    """Return what tells this thread, the loop and the task that run in it from others."""
    asyncio = sys.modules.get("asyncio")
    loop = None if asyncio is None else asyncio._get_running_loop()
    task = None if asyncio is None or loop is None else asyncio.current_task()
    return threading.get_ident(), id(loop), id(task)


def destination(name: str) -> Any:
    """Return the stream that gets what this context writes to ``sys.<name>``.

    None: it goes where the stream object itself writes.
    """
    both = in_context.get(), in_thread.streams
    for streams in both:
        stream: Any = find(streams, name)
        if stream is not None:
            return stream
    if not active[name]:
        return None
    limit: int | None = None
    is_cell = False
    for streams in both:
        while streams is not None:
            if limit is None:
                limit = streams.limit
            is_cell = is_cell or streams.is_cell
            streams = streams.outer
    for route in reversed(active[name]):
        stream = route.stream
        if (
            stream is not None
            and not route.is_paused
            and (limit is None or route.serial < limit)
            and not (is_cell and route.of_cell)
        ):
            return stream
    return None


def base_of(name: str) -> TextIO | None:
    """Return a stream past all captures of ``sys.<name>``; None if there are none.

    One that is paused does not count, but for who is to stay outside: it may go on amid the write.
    """
    for route in active[name]:
        if not route.is_paused or is_outside():
            return route.base()
    return None


def add_route(route: Route) -> None:
    """Begin to lead writes to a capture."""
    with lock:
        active[route.name] = (*active[route.name], route)


def remove_route(route: Route) -> None:
    """The descriptor leads past the capture again. Idempotent."""
    with lock:
        active[route.name] = tuple(each for each in active[route.name] if each is not route)
    route.drop_base()


def keep_to_pipe(fd: int) -> None:
    """Python code is about to lead descriptor 1 or 2 elsewhere.

    A stream object that does not follow it there, as that of a kernel, does not in a capture.
    """
    for route in active.get(STREAM_NAMES.get(fd, ""), ()):
        stream = route.stream
        if stream is not None and not route.follows:
            stream.write_to_pipe(True)


@contextlib.contextmanager
def outside(
    serial: int, dup_base: Callable[[int], int | None] = _captures_nothing
) -> Iterator[None]:
    """Have what is written here pass by captures from number ``serial`` on.

    For callbacks of a capture, and for what a shell shows of its own. What they write goes to older
    captures only, and never in a circle.

    Parameters
    ----------
    serial
        The number of the capture.
    dup_base
        Returns a new descriptor for what a captured descriptor was before; None if it is not
        captured. With it, ``os.write`` and children that are started here pass by, too.
    """
    before = outer = in_context.get()
    while isinstance(outer, CaptureMark) and outer.serial >= serial:
        outer = outer.outer
    mark = Outside(serial, outer, dup_base)
    in_context.set(mark)
    try:
        yield
    finally:
        if in_context.get() is mark:
            in_context.set(before)


def is_outside() -> bool:
    """Tell whether this context is to pass by captures."""
    streams = in_context.get()
    return streams is not None and streams.is_outside


def dup_outside(fd: int) -> int | None:
    """Return a new descriptor for where ``fd`` leads past the captures that this context passes.

    None if it passes none, or they do not capture it.
    """
    mark = _outside_mark()
    return None if mark is None else mark.dup_base(fd)


def _outside_mark() -> Outside | None:
    streams = in_context.get()
    while streams is not None:
        if isinstance(streams, Outside):
            return streams
        streams = streams.outer
    return None


def begin_cell() -> Streams:
    """A cell begins in this context; return what `end_cell` takes.

    An earlier cell's callback may run it (an event loop of a GUI does): it is a cell of its own.
    """
    outer = own_streams()
    while isinstance(outer, CaptureMark) and outer.has_ended:
        outer = outer.outer
    mark = InCell(outer)
    in_context.set(mark)
    return mark


def end_cell(mark: Streams) -> None:
    """The cell that `begin_cell` marked has ended."""
    mark.end()
    if in_context.get() is mark:
        in_context.set(mark.outer)
