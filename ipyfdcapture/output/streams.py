"""``sys.stdout`` and ``sys.stderr`` while a capture is active.

A capture puts a real text stream on the captured descriptor in the place of each. Whoever kept
the object that was there before (a logging handler, tqdm, ipykernel's own ``OutStream``) is
captured too: its ``write`` goes to the new stream. When the capture ends the new stream in turn
hands on to the old one, for whoever kept that.

Like redirections, replacements form a stack for each name and may be undone in any order.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from ..system.forking import fork_safe_lock
from .capture_stream import CaptureStream, nowhere
from .foreign import attribute_of, fileno_of, flush_quietly
from .proxy import NOWHERE, process_stream, set_process_stream

_FORWARDED = ("write", "writelines", "flush", "fileno")
ENDED_STREAMS = 64


class _Forwarding:
    """Methods of one stream object that other methods stand in for, until undone."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        attributes = attribute_of(stream, "__dict__")  # None: it has no place for them
        self._attributes: dict[str, Any] = {} if attributes is None else attributes
        self._originals = {name: self._attributes.get(name, _MISSING) for name in _FORWARDED}
        self._methods: dict[str, Any] = {}

    def point_to(self, methods: dict[str, Any]) -> None:
        self._methods = methods
        self._attributes.update(methods)

    def undo(self) -> None:
        for name, original in self._originals.items():
            if self._attributes.get(name) is not self._methods.get(name):
                continue  # somebody has replaced it since: it is theirs now
            if original is _MISSING:
                self._attributes.pop(name, None)
            else:
                self._attributes[name] = original


_MISSING = object()


class _Name:
    """``sys.stdout`` or ``sys.stderr``: the replacements that are active, the newest last.

    A write to any object that stands or stood for the name goes to the newest replacement. If
    several threads have begun one, each thread's writes go to the newest of its own.
    """

    def __init__(self) -> None:
        self.stack: list[Replacement] = []
        self._forwardings: dict[int, _Forwarding] = {}

    def rewire(self) -> None:
        """Have all stream objects write where they should now."""
        by_thread = len({each.thread for each in self.stack}) > 1
        objects = {id(o): o for each in self.stack for o in (*each.objects, each.stream)}
        if self.stack and not by_thread:
            del objects[id(self.stack[-1].stream)]
        if by_thread:
            self.pin_to_pipe()
        methods = self._by_thread() if by_thread else self.stack[-1].methods if self.stack else {}
        for number in [number for number in self._forwardings if number not in objects]:
            self._forwardings.pop(number).undo()
        for number, stream in objects.items():
            if number not in self._forwardings:
                self._forwardings[number] = _Forwarding(stream)
            self._forwardings[number].point_to(methods)

    def pin_to_pipe(self) -> None:
        for each in self.stack:
            each.stream.write_to_pipe(True)

    def follow_descriptor(self) -> None:
        by_thread = len({each.thread for each in self.stack}) > 1
        for each in self.stack:
            each.stream.write_to_pipe(by_thread)

    def _by_thread(self) -> dict[str, Any]:
        stack = list(self.stack)

        def choosing(method: str) -> Callable[..., Any]:
            def choose(*args: Any) -> Any:
                here = threading.get_ident()
                own = next((each for each in reversed(stack) if each.thread == here), stack[-1])
                return own.methods[method](*args)

            return choose

        return {method: choosing(method) for method in _FORWARDED}


#: The streams of the latest captures that are over. `print` does not hold on to the stream that it
#: writes to, before Python 3.14: another thread that is in the midst of one would crash.
_ended: deque[CaptureStream] = deque(maxlen=ENDED_STREAMS)

_names: dict[str, _Name] = {}
_lock = fork_safe_lock()


def pin_to_pipe(name: str | None) -> None:
    """The descriptor of ``sys.<name>`` is about to change: have captures write to their pipes."""
    with _lock:
        if name in _names:
            _names[name].pin_to_pipe()


def follow_descriptor(name: str | None) -> None:
    """The descriptor of ``sys.<name>`` leads to the newest capture again, as its stream does."""
    with _lock:
        if name in _names:
            _names[name].follow_descriptor()


class Replacement:
    """``sys.<name>`` is ``stream`` until `undo`.

    Parameters
    ----------
    name
        ``"stdout"`` or ``"stderr"``.
    fd
        The descriptor that is captured.
    stream
        What takes the place.
    serial
        The number of the capture: later ones have higher numbers.
    base
        Makes a stream on what the descriptor was before; used where ``sys.<name>`` wrote to it.
    """

    def __init__(
        self,
        name: str,
        fd: int,
        stream: CaptureStream,
        base: Callable[[], Any],
        serial: int,
    ) -> None:
        self.name = name
        self.stream = stream
        self._fd = fd
        self.thread = threading.get_ident()
        self.methods = {method: getattr(stream, method) for method in _FORWARDED}
        self.serial = serial
        stream.set_outside(self._outside)
        with _lock:
            self._was_missing = not hasattr(sys, name)
            self._original = process_stream(name)
            self._base = base if fileno_of(self._original) == fd else self._original_itself
            self._original_methods = _methods_of(self._original)
            self.objects = [] if self._original is None else [self._original]
            dunder = getattr(sys, f"__{name}__", None)
            if dunder is not self._original and fileno_of(dunder) == fd:
                self.objects.append(dunder)
            for each in self.objects:
                flush_quietly(each)
            active = _names.setdefault(name, _Name())
            active.stack.append(self)
            active.rewire()
            set_process_stream(name, stream)

    def base(self) -> Any:
        """Return a stream that writes where ``sys.<name>`` wrote before; None if nowhere."""
        return self._base()

    def _outside(self, serial: int) -> Any:
        """Return a stream past this and all captures from ``serial`` on; None if this is older."""
        if self.serial < serial:
            return None
        active = _names.get(self.name)
        stack = list(active.stack) if active is not None else []
        oldest = next((each for each in stack if each.serial >= serial), self)
        return oldest.base() or NOWHERE

    def _original_itself(self) -> Any:
        return None if self._original is None else _Methods(self._original, self._original_methods)

    def undo(self) -> None:
        """Put back what was found, unless a newer replacement is on top. Idempotent."""
        with _lock:
            active = _names.get(self.name)
            if active is None or self not in active.stack:
                return
            flush_quietly(self.stream)
            is_newest = active.stack[-1] is self
            active.stack.remove(self)
            for each in active.stack:
                if each._original is self.stream:  # what it will put back is what we would have
                    each._original, each._original_methods = self._original, self._original_methods
                    each._was_missing = self._was_missing
                    each._base, each.objects = self._base, self.objects
            active.rewire()
            if is_newest and self._was_missing:
                delattr(sys, self.name)
            elif is_newest:
                set_process_stream(self.name, self._original)
            if not active.stack:
                del _names[self.name]
            # They refer to us, and the streams to each other; without the circle all go.
            self.stream.leave_capture(self._fd)
            self.stream.set_outside(nowhere)
            _ended.append(self.stream)
            if self._original is not None:
                # For whoever keeps it: from now on it writes to what is there again, and that to
                # the captures to come.
                methods: dict[str, Any] = {
                    method: functools.partial(_call, self._original, method)
                    for method in _FORWARDED
                }
                methods["flush"] = functools.partial(flush_quietly, self._original)
                _Forwarding(self.stream).point_to(methods)


def _call(stream: Any, method: str, *args: Any) -> Any:
    return getattr(stream, method)(*args)


def _methods_of(stream: Any) -> dict[str, Any]:
    methods = {name: attribute_of(stream, name, _MISSING) for name in _FORWARDED}
    return {name: method for name, method in methods.items() if method is not _MISSING}


class _Methods:
    """A stream object by methods that it had at some time."""

    def __init__(self, stream: Any, methods: dict[str, Any]) -> None:
        self._stream = stream
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _ForThisThread:
    """A stream that is one object for one thread and another for all others."""

    def __init__(self, here: Any, elsewhere: Any) -> None:
        self._here = here
        self._elsewhere = elsewhere
        self._thread = threading.get_ident()

    def _stream(self) -> Any:
        return self._here if threading.get_ident() == self._thread else self._elsewhere

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream(), name)


@contextlib.contextmanager
def outside(replacements: list[Replacement]) -> Iterator[None]:
    """Have this thread's Python output go where it went before the replacements.

    For what a shell shows of itself during a captured cell: results, tracebacks.
    """
    originals = {each.name: process_stream(each.name) for each in replacements}
    bases = {each.name: each.base() for each in replacements}
    for each in replacements:
        if bases[each.name] is not None:
            set_process_stream(each.name, _ForThisThread(bases[each.name], each.stream))
    try:
        yield
    finally:
        for name, stream in originals.items():
            flush_quietly(bases[name])
            set_process_stream(name, stream)
