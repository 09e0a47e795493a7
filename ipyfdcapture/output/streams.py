"""Python's part of one capture: what is written to ``sys.stdout`` and ``sys.stderr``.

The stream objects stay what they are and where they are (`.hooked`), and lead to the router
(`.router`). Only where there is no object that leads to the captured descriptor does another
stand in ``sys`` as long as the capture lasts (`.stand_in`).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any, TextIO

from ..system.descriptors import Descriptor
from ..system.replacing import Swap
from .capture_stream import CaptureStream
from .foreign import attribute_of, error_handler_of, fileno_of, flush_quietly, is_a
from .handing_down import hold_hooks, release_hooks
from .hooked import hook, lead, leads_to, pass_by_record, streams_behind, unhook
from .own_streams import in_context, own_streams
from .proxy import process_stream, set_process_stream
from .redirect import count_redirections
from .router import CaptureMark, Route, active, add_route, lock, remove_route
from .stand_in import StandIn
from .write_order import WriteOrder

NAMES = {1: "stdout", 2: "stderr"}
_FDS = {name: fd for fd, name in NAMES.items()}


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
    open_late_pipe
        Returns the write end of a new pipe for what threads and tasks write to descriptor 1 or 2
        after the end. Raises `OSError` if there can be none.
    """

    def __init__(
        self,
        serial: int,
        of_cell: bool,
        may_stand_in: bool,
        open_late_pipe: Callable[[int], int],
    ) -> None:
        self._open_late_pipe = open_late_pipe
        self._serial = serial
        self._of_cell = of_cell
        self._may_stand_in = may_stand_in
        self._swaps: list[Swap] = []
        self._order = WriteOrder()
        self._streams: dict[int, CaptureStream] = {}
        self._routes: dict[int, Route] = {}
        self._stand_ins: list[_StandInSwap] = []
        self._hooked: list[int] = []
        self._is_idle = False  # whether it has ended, and its threads and tasks have
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
        name = NAMES[fd]
        original = self._originals[name] = process_stream(name)
        behind = streams_behind(original, fd)
        usual = getattr(sys, f"__{name}__", None)
        streams = [*behind, usual] if leads_to(usual, fd) and usual not in behind else behind
        if pipe is None and not any(fileno_of(each) == fd for each in streams):
            return  # it does not come by here
        if self._mark is None:
            hold_hooks()
            self._mark = CaptureMark(self._serial, own_streams(), self._let_go)
        errors = error_handler_of(original)
        stream = None
        if pipe is not None:
            stream = CaptureStream(fd, pipe, f"<{name}>", encoding, errors, self._order)
            self._streams[fd] = stream
        self._hooked += hook(streams, name)
        route = Route(
            name, self._serial, stream, lambda: open_base(original), self._of_cell, self._mark
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
            swap = pass_by_record(process_stream(NAMES[fd]), NAMES[fd])
            if swap is not None:
                self._swaps.append(swap)

    def pause(self, fd: int, pipe: Descriptor) -> None:
        """Let what is written go where it went before. ``pipe`` is the write end meanwhile."""
        if fd in self._streams:
            self._streams[fd].point_to(pipe)
        if fd in self._routes:
            assert self._mark is not None
            self._routes[fd].is_paused = True
            self._routes[fd].drop_base()
            setattr(self._mark, NAMES[fd], None)
            _lead(NAMES[fd])

    def resume(self, fd: int, pipe: Descriptor) -> None:
        """Go on after `pause`."""
        if fd in self._streams:
            self._streams[fd].point_to(pipe)
        if fd in self._routes:
            assert self._mark is not None
            self._routes[fd].is_paused = False
            setattr(self._mark, NAMES[fd], self._streams.get(fd))
            _lead(NAMES[fd])

    def undo(self) -> None:
        """Take nothing more, except from threads and tasks that were started meanwhile."""
        with lock:
            for fd, route in self._routes.items():
                route.end()
                _lead(NAMES[fd])
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
            if not self._mark.is_idle:
                for fd, stream in self._streams.items():
                    setattr(self._mark, NAMES[fd], stream)
                    with contextlib.suppress(OSError):  # then they write where others do
                        stream.move_to(self._open_late_pipe(fd))
            mark, self._mark = self._mark, None
            mark.end()

    def remove_routes(self) -> None:
        """The descriptors lead past the capture again: nothing has to be led there."""
        while self._routes:
            _, route = self._routes.popitem()
            remove_route(route)
            follow_descriptor(route.name)  # for one that is left
        self._unhook()

    def _let_go(self) -> None:
        """No thread or task of the capture runs any more."""
        while self._streams:
            self._streams.popitem()[1].end()
        self._is_idle = True
        self._unhook()
        release_hooks()

    def _unhook(self) -> None:
        """Leave the stream objects alone, once nobody needs them to lead to or past the capture."""
        if self._is_idle and not self._routes:
            unhook(self._hooked)


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
