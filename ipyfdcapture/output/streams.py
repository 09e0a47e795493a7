"""Python's part of one capture: what is written to ``sys.stdout`` and ``sys.stderr``.

The stream objects stay what they are and where they are (`.hooked`), and lead to the router
(`.router`). Only where there is no object that leads to the captured descriptor does another
stand in ``sys`` as long as the capture lasts (`.stand_in`).
"""

from __future__ import annotations

import _thread
import contextlib
import functools
import io
import sys
import weakref
from collections.abc import Callable
from typing import Any, TextIO

from ..system.descriptors import STREAM_NAMES, Descriptor
from ..system.finalizers import Finalizer
from ..system.forking import is_owned
from ..system.replacing import Swap
from ..system.threads import is_emptying_pipes
from . import handing_down, hooked
from .capture_stream import CaptureStream, HasEnded
from .foreign import attribute_of, error_handler_of, fileno_of, flush_quietly, is_a
from .handing_down import hold_hooks, release_hooks
from .hooked import hook, lead, leads_to, pass_by_record, streams_behind, unhook
from .late_stream import EndedLog, LateStream
from .own_streams import in_context, own_streams
from .proxy import process_stream, retire, set_process_stream
from .redirect import count_redirections
from .router import CaptureMark, Route, active, add_route, lock, remove_route
from .routing import write_on
from .stand_in import StandIn
from .write_order import WriteOrder

_FDS = {name: fd for fd, name in STREAM_NAMES.items()}

#: So many logs wait for threads and tasks at once: each takes six descriptors meanwhile, and a
#: process may have 1,024 as a rule, on macOS 256. Threads may never end.
_MOST_WAITED_FOR = 20


class PythonCapture:
    """Leads what Python writes into a capture's pipes, from `add` to `undo`.

    Parameters
    ----------
    serial
        The number of the capture: later ones have higher numbers.
    of_cell
        Whether it captures one cell, and not what other cells write meanwhile.
    may_stand_in
        Whether another object may stand in ``sys`` for one that leads elsewhere.
    late_log
        The log, for what threads, tasks and callbacks write after the end.
    """

    def __init__(
        self,
        serial: int,
        of_cell: bool,
        may_stand_in: bool,
        late_log: EndedLog,
    ) -> None:
        self._late_log = late_log
        self._serial = serial
        self._of_cell = of_cell
        self._may_stand_in = may_stand_in
        self._swaps: list[Swap] = []
        self._order = WriteOrder()
        self._streams: dict[int, CaptureStream] = {}
        self._late_streams: list[LateStream] = []
        self._routes: dict[int, Route] = {}
        self._stand_ins: list[_StandInSwap] = []
        self._hooked: list[int] = []
        self._has_released = False
        self._is_over = False  # whether it has ended, and nothing holds its mark any more
        self._mark: CaptureMark | None = None
        self._originals: dict[str, Any] = {}

    def add(
        self,
        fd: int,
        pipe: Descriptor | None,
        encoding: str,
        open_base: Callable[[Any], TextIO | None],
    ) -> None:
        """Begin for one descriptor.

        Parameters
        ----------
        fd
            1 or 2, which leads to the pipe by now.
        pipe
            The write end of the capture's pipe. None: Python's output goes on to where it went.
        encoding
            How text is written to the pipe.
        open_base
            Opens a stream on what the descriptor would be without the capture, as that of the
            object that it is given.
        """
        name = STREAM_NAMES[fd]
        original = self._originals[name] = process_stream(name)
        behind = streams_behind(original, fd)
        streams = [*behind, *_others_of(name, fd, behind)]
        if pipe is None and not any(fileno_of(each) == fd for each in streams):
            return  # it does not come by here
        if self._mark is None:
            hold_hooks()
            self._mark = CaptureMark(self._serial, own_streams(), self._rest)
        errors = error_handler_of(original)
        stream = None
        if pipe is not None:
            write_elsewhere = functools.partial(write_on, name, fd)
            stream = CaptureStream(
                fd, pipe, f"<{name}>", encoding, errors, self._order, write_elsewhere
            )
            self._streams[fd] = stream
        self._hooked += hook(streams, name)
        route = Route(
            name,
            self._serial,
            stream,
            lambda: open_base(original),
            self._of_cell,
            self._mark,
            any(is_a(each, io.TextIOWrapper) for each in behind),
        )
        for each in behind:
            if is_a(each, StandIn) and id(each) in _swaps:
                self._stand_ins.append(_swaps[id(each)])  # of an older capture, which may end first
        if stream is not None and not behind and self._may_stand_in:
            self._stand_ins.append(_StandInSwap(name, fd, encoding, errors))
        for stand_in in self._stand_ins:
            stand_in.users.add(self)
        with lock:
            setattr(self._mark, name, stream)
            self._routes[fd] = route
            add_route(route)
            _lead(name)

    def begin(self) -> None:
        """What this context writes from now on is the capture's."""
        if self._mark is not None:
            in_context.set(self._mark)

    def pass_by_records(self) -> None:
        """Nothing of this is shown: it is not to be recorded as if it were."""
        for fd in self._streams:
            swap = pass_by_record(process_stream(STREAM_NAMES[fd]), STREAM_NAMES[fd])
            if swap is not None:
                self._swaps.append(swap)

    def point_to(self, fd: int, pipe: Descriptor) -> None:
        """The pipe of one descriptor is another one from now on, by its write end."""
        if fd in self._streams:
            self._streams[fd].point_to(pipe)

    def pause(self, fd: int, pipe: Descriptor) -> None:
        """Let what is written go where it went before. ``pipe`` is the write end meanwhile."""
        self.point_to(fd, pipe)
        if fd in self._routes:
            assert self._mark is not None
            self._routes[fd].is_paused = True
            self._routes[fd].drop_base()
            setattr(self._mark, STREAM_NAMES[fd], None)
            _lead(STREAM_NAMES[fd])

    def resume(self, fd: int, pipe: Descriptor) -> None:
        """Go on after `pause`."""
        self.point_to(fd, pipe)
        if fd in self._routes:
            assert self._mark is not None
            self._routes[fd].is_paused = False
            setattr(self._mark, STREAM_NAMES[fd], self._streams.get(fd))
            _lead(STREAM_NAMES[fd])

    def undo(self) -> None:
        """Take nothing more, except from threads, tasks and callbacks that were begun meanwhile."""
        with lock:
            for fd, route in self._routes.items():
                route.end()
                _lead(STREAM_NAMES[fd])
                if fd in self._streams:
                    flush_quietly(self._streams[fd])
            while self._swaps:
                self._swaps.pop().undo()
            while self._stand_ins:
                self._stand_ins.pop().release(self)
            for name, original in self._originals.items():
                # What the user put there stays, but for what nobody can write to.
                if _can_write(original) and not _can_write(process_stream(name)):
                    set_process_stream(name, original)
            self._originals.clear()
            if self._mark is None:
                return
            mark, self._mark = self._mark, None
            on_gone = _weakly(mark)
            while self._streams:
                fd, stream = self._streams.popitem()
                late = LateStream(fd, stream, self._late_log, on_gone)
                self._late_streams.append(late)
                setattr(mark, STREAM_NAMES[fd], late)
                if not mark.is_idle:
                    with contextlib.suppress(HasEnded):  # then they write where others do
                        late.open()
            Finalizer(mark, self._mark_is_gone, at_exit=False)
            if not mark.is_idle:
                _waited_for[self] = None
            mark.end()
        _wait_for_fewer()

    def remove_routes(self) -> None:
        """The descriptors lead past the capture again: nothing has to be led there."""
        while self._routes:
            _, route = self._routes.popitem()
            remove_route(route)
            follow_descriptor(route.name)  # for one that is left
        self._unhook()

    def _rest(self, callbacks_may_write: bool) -> None:
        """No thread or task of the capture runs any more, or is waited for."""
        _waited_for.pop(self, None)
        for late in self._late_streams:
            late.rest()
        if not self._has_released:  # what callbacks start hands nothing down: nobody waits for them
            self._has_released = True
            release_hooks()
        if not callbacks_may_write:
            self._late_streams.clear()
            self._is_over = True
            self._unhook()

    def _mark_is_gone(self) -> None:
        """No context holds the mark: nothing can write to the log any more."""
        if self._is_over:
            return
        # A finalizer may be called amid what another capture does.
        locks = (lock, hooked.lock, handing_down.lock)
        if is_emptying_pipes() or any(map(is_owned, locks)):
            with contextlib.suppress(RuntimeError):  # no thread to be had
                _thread.start_new_thread(self._mark_is_gone, ())
            return
        self._rest(callbacks_may_write=False)

    def _unhook(self) -> None:
        """Leave the stream objects alone, once nobody needs them to lead to or past the capture."""
        if self._is_over and not self._routes:
            unhook(self._hooked)


#: By name, the stream that led to the descriptor last. A kernel has no other name for its own: who
#: has put one in memory in its place may put it back amid a capture, and loggers keep it.
_last_seen: dict[str, weakref.ref[Any]] = {}


def _others_of(name: str, fd: int, behind: list[Any]) -> list[Any]:
    """Return what leads to a descriptor beside the streams behind ``sys.<name>``."""
    last_seen = _last_seen.get(name, lambda: None)()
    for each in behind:
        if not is_a(each, StandIn):
            _last_seen[name] = weakref.ref(each)
    others: list[Any] = []
    for each in (getattr(sys, f"__{name}__", None), last_seen):
        if leads_to(each, fd) and all(each is not one for one in (*behind, *others)):
            others.append(each)
    return others


#: Those whose threads and tasks are waited for, the oldest first.
_waited_for: dict[PythonCapture, None] = {}


def _wait_for_fewer() -> None:
    """Take the threads of the oldest captures for callbacks, for which nobody waits."""
    while len(_waited_for) > _MOST_WAITED_FOR:
        with contextlib.suppress(StopIteration, RuntimeError):  # another thread has done it
            oldest = next(iter(_waited_for))
            oldest._rest(callbacks_may_write=True)
            oldest._late_log.update()


def _weakly(mark: CaptureMark) -> Callable[[], None]:
    """Return a function that calls ``let_go`` of a mark, which it does not keep alive."""
    reference = weakref.ref(mark)

    def let_go() -> None:
        mark = reference()
        if mark is not None:
            mark.let_go()

    return let_go


def _can_write(stream: Any) -> bool:
    return callable(attribute_of(stream, "write"))


class _StandInSwap:
    """A stand-in in ``sys``, as long as a capture needs it."""

    def __init__(self, name: str, fd: int, encoding: str, errors: str) -> None:
        self._name = name
        self.users: set[PythonCapture] = set()
        self._was_missing = not hasattr(sys, name)
        self._original = process_stream(name)
        flush_quietly(self._original)
        self._stand_in = StandIn(name, fd, self._original, encoding, errors)
        set_process_stream(name, self._stand_in)
        _swaps[id(self._stand_in)] = self

    def release(self, user: PythonCapture) -> None:
        """Put the original back once nobody needs it, unless there is something else by now."""
        self.users.discard(user)
        if self.users or _swaps.pop(id(self._stand_in), None) is None:
            return
        retire(self._stand_in)
        if process_stream(self._name) is not self._stand_in:
            return
        if self._was_missing:
            delattr(sys, self._name)
        else:
            set_process_stream(self._name, self._original)


#: By the number of the stand-in.
_swaps: dict[int, _StandInSwap] = {}


def _lead(name: str) -> None:
    """Have what the newest capture's contexts write to ``sys.<name>`` led there straight away."""
    for route in reversed(active[name]):
        if route.stream is not None and not route.is_paused:
            lead(name, route.stream, route.mark)
            return
    lead(name, None, None)


def pin_to_pipe(name: str | None) -> None:
    """The descriptor of ``sys.<name>`` is about to change: have captures write to their pipes."""
    routes = active.get(name or "", ())
    if len(routes) == 1 and routes[0].stream is not None:  # several do already
        routes[0].stream.write_to_pipe(True)


def follow_descriptor(name: str | None) -> None:
    """If a capture is the only one, its stream writes to the descriptor of ``sys.<name>``.

    Of several, which may start and end in several threads at once, each writes to its own pipe.
    """
    with lock:
        routes = active.get(name or "", ())
        is_alone = len(routes) == 1 and count_redirections(_FDS[routes[0].name]) == 1
        if is_alone and routes[0].stream is not None:
            routes[0].stream.write_to_pipe(False)
