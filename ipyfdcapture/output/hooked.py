"""Stream objects that stay what they are and where they are, and lead to the router.

Two kinds of objects lead to descriptors 1 and 2: the `io.TextIOWrapper` that Python makes, and the
``OutStream`` of ipykernel. Everything else (a wrapper, a logger, a mirror) leads there through one
of these, and is left alone.

- ``OutStream`` is written in Python, so the code of its methods is exchanged. That reaches
  everybody who keeps a method, too: IPython itself does from cell to cell, in its own record of
  what was shown.
- A `io.TextIOWrapper` is given methods of its own, unless somebody else has; and its ``buffer`` is
  given a ``write``, by which those pass who keep a method of either.
"""

from __future__ import annotations

import functools
import io
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

from ..system.descriptors import STREAM_NAMES
from ..system.forking import fork_safe_lock
from ..system.replacing import Swap
from .capture_stream import CaptureStream, make_write
from .foreign import attribute_of, encoding_of, fileno_of, flush_quietly, is_a
from .own_streams import in_context
from .router import base_of, destination, is_outside
from .routing import flush_routed, write_bytes, write_bytes_routed, write_routed
from .stand_in import StandIn

# -- which objects -----------------------------------------------------------------------------


def leads_to(stream: Any, fd: int) -> bool:
    """Tell whether a stream writes to a descriptor by itself."""
    if is_a(stream, io.TextIOWrapper):
        return fileno_of(stream) == fd
    return _is_kernels(stream) and stream.name == STREAM_NAMES[fd] and stream.pub_thread is not None


def _is_kernels(stream: Any) -> bool:
    module = sys.modules.get("ipykernel.iostream")
    return module is not None and is_a(stream, module.OutStream)


def is_empty(stream: Any) -> bool:
    """Tell whether a stream is known to keep nothing back, so that a flush would do nothing.

    An ``OutStream`` has another thread flush it, and waits for that: two of them take half of the
    time of an empty captured cell. What that thread has taken is shown before all that it is given
    later.
    """
    return _is_kernels(stream) and attribute_of(stream, "_buffers") == {}


def streams_behind(stream: Any, fd: int) -> list[Any]:
    """Return the streams that lead to a descriptor and can be reached through ``stream``."""
    found: list[Any] = []
    seen: set[int] = set()
    level = [stream]
    for _ in range(5):  # a wrapper of a wrapper keeps a bound method of a stream
        following: list[Any] = []
        for each in level:
            if id(each) in seen or each is None:
                continue
            seen.add(id(each))
            if leads_to(each, fd):
                found.append(each)
            else:
                following += _kept_by(each)
        level = following
    return found


def _kept_by(each: Any) -> Iterator[Any]:
    """Yield what an object that wraps a stream may keep it in."""
    if is_a(each, type) or is_a(each, types.ModuleType):
        return
    if is_a(each, types.MethodType) or is_a(each, types.BuiltinMethodType):
        yield each.__self__
        return
    if is_a(each, types.FunctionType):
        for cell in each.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # it is empty
                continue
        return
    if is_a(each, list) or is_a(each, tuple):
        yield from each[:10]
        return
    attributes = attribute_of(each, "__dict__")
    if isinstance(attributes, dict):
        yield from list(attributes.values())[:50]
    for cls in type(each).__mro__:
        for name, value in vars(cls).items():
            if is_a(value, types.MemberDescriptorType):  # a slot, by the name that Python gave it
                yield attribute_of(each, name)


class _DirectWrite:
    """A ``write`` of ours in a stream, which most of the time is the newest capture's own.

    Parameters
    ----------
    swap
        Where it is.
    routed
        Asks the router.
    """

    def __init__(self, swap: Swap, routed: Callable[[str], Any]) -> None:
        self.swap = swap
        self._routed = routed
        self._void: Callable[[], object] = lambda: None

    def lead_to(self, stream: CaptureStream | None, mark: object) -> None:
        """Write to ``stream`` without asking in contexts with a mark."""
        self._void()  # who keeps what was there asks from now on
        write = self._routed
        if stream is not None:
            write, self._void = make_write(stream, mark, self._routed)
        self.swap.change(write)


# -- ipykernel's -----------------------------------------------------------------------------------


def _template(self: Any, *args: Any, **kwargs: Any) -> Any:
    route = "ipyfdcapture.output.hooked"
    return route(self, *args, **kwargs)  # type: ignore[operator]


class _CodeHook:
    """A method written in Python that runs other code, for all that keep it, until undone."""

    def __init__(self, function: Any, make_route: Callable[..., Any]) -> None:
        self._function = function
        self._code = function.__code__
        #: The method as it was.
        self.own = types.FunctionType(
            self._code,
            function.__globals__,
            function.__name__,
            function.__defaults__,
            function.__closure__,
        )
        self.own.__kwdefaults__ = function.__kwdefaults__
        template = _template.__code__
        route = make_route(self.own)
        constants = tuple(
            route if each == "ipyfdcapture.output.hooked" else each for each in template.co_consts
        )
        self._routed = template.replace(
            co_consts=constants, co_name=self._code.co_name, co_freevars=self._code.co_freevars
        )

    def put(self) -> None:
        self._function.__code__ = self._routed

    def undo(self) -> None:
        if self._function.__code__ is self._routed:
            self._function.__code__ = self._code


#: By the number of the stream: its name; and the newest capture's mark, and what writes to it.
_hooked_names: dict[int, str] = {}
_newest: dict[int, tuple[object, Callable[[str], Any]]] = {}


def _route_write(own: Callable[..., Any]) -> Callable[..., Any]:
    def write(stream: Any, text: str) -> Any:
        newest = _newest.get(id(stream))  # most of the time nobody else is to be asked
        if newest is not None and newest[0] is in_context.get() and type(text) is str:
            return newest[1](text)
        return _kernel_write(own, stream, text)

    return write


def _kernel_write(own: Callable[..., Any], stream: Any, text: str) -> Any:
    name = _hooked_names.get(id(stream))
    if name is None or not isinstance(text, str) or _is_watcher(stream):
        return own(stream, text)
    return write_routed(name, lambda text: own(stream, text), text)


def _is_watcher(stream: Any) -> bool:
    """Tell whether this is ipykernel's thread that shows what came to the descriptor.

    That has been past all captures.
    """
    watcher = attribute_of(stream, "watch_fd_thread")
    return watcher is not None and watcher.ident == threading.get_ident()


def _kernel_flush(own: Callable[..., Any], stream: Any) -> Any:
    name = _hooked_names.get(id(stream))
    return own(stream) if name is None else flush_routed(name, lambda: own(stream))


def _kernel_fileno(own: Callable[..., Any], stream: Any) -> Any:
    name = _hooked_names.get(id(stream))
    target = None if name is None else destination(name)
    return own(stream) if target is None else target.fileno()


def _kernel_isatty(own: Callable[..., Any], stream: Any) -> Any:
    name = _hooked_names.get(id(stream))
    target = None if name is None else destination(name)
    return own(stream) if target is None else target.isatty()


def _kernel_close(own: Callable[..., Any], stream: Any) -> Any:
    """A captured cell cannot take the kernel's streams from the cells to come."""
    name = _hooked_names.get(id(stream))
    target = None if name is None else destination(name)
    return own(stream) if target is None else flush_quietly(target)


_KERNEL_ROUTES: dict[str, Callable[..., Any]] = {
    "write": _route_write,
    "flush": lambda own: functools.partial(_kernel_flush, own),
    "fileno": lambda own: functools.partial(_kernel_fileno, own),
    "isatty": lambda own: functools.partial(_kernel_isatty, own),
    "close": lambda own: functools.partial(_kernel_close, own),
}
_code_hooks: dict[type, list[_CodeHook]] = {}


def pass_by_record(stream: Any, name: str) -> Swap | None:
    """Keep IPython from recording what a cell writes, as nothing of it is shown; None if not so.

    IPython 9 patches ``write`` for the length of a cell, and keeps in memory what comes by.
    """
    patch = attribute_of(stream, "__dict__", {}).get("write")
    if not _is_kernels(stream) or attribute_of(patch, "__module__") != _RECORDS_IN:
        return None
    swap = Swap(stream, "write")

    def write(text: str) -> Any:
        # Somebody has kept it, or what is written has been past all captures.
        if not swap.is_active or _is_watcher(stream):
            return type(stream).write(stream, text)
        if not isinstance(text, str):
            return swap.original(text)
        return write_routed(name, swap.original, text)

    swap.put(write)
    hooked, _ = _hooks[id(stream)]
    assert isinstance(hooked, _KernelHook)
    hooked.add_direct(_DirectWrite(swap, write))
    return swap


_RECORDS_IN = "IPython.core.interactiveshell"


class _KernelHook:
    """One ``OutStream``, of whose class the methods are hooked."""

    def __init__(self, stream: Any, name: str) -> None:
        self.stream = stream
        self.name = name
        cls = next(each for each in type(stream).__mro__ if each.__name__ == "OutStream")
        self._cls: type = cls
        if cls not in _code_hooks:
            _code_hooks[cls] = [
                _CodeHook(vars(cls)[method], route) for method, route in _KERNEL_ROUTES.items()
            ]
        if not _hooked_names:
            for hook in _code_hooks[cls]:
                hook.put()
        _hooked_names[id(stream)] = name
        self._direct: list[_DirectWrite] = []
        self._leads_to: tuple[CaptureStream | None, object] = None, None

    def add_direct(self, direct: _DirectWrite) -> None:
        """Lead a method in the object itself, too."""
        self._direct.append(direct)
        direct.lead_to(*self._leads_to)

    def lead_to(self, stream: CaptureStream | None, mark: object) -> None:
        """See `_TextHook`."""
        self._leads_to = stream, mark
        if stream is None:
            _newest.pop(id(self.stream), None)
        else:
            _newest[id(self.stream)] = mark, make_write(stream)[0]
        self._direct = [each for each in self._direct if each.swap.is_active]
        for each in self._direct:
            each.lead_to(stream, mark)

    def undo(self) -> None:
        _newest.pop(id(self.stream), None)
        del _hooked_names[id(self.stream)]
        if not _hooked_names:
            for hook in _code_hooks[self._cls]:
                hook.undo()


# -- Python's ----------------------------------------------------------------------------------


def _of_text(stream: io.TextIOWrapper, name: str) -> Any:
    """Return an attribute of a stream as Python made it, whatever its class makes of it."""
    return getattr(io.TextIOWrapper, name).__get__(stream)


class _TextHook:
    """One `io.TextIOWrapper` on a captured descriptor."""

    def __init__(self, stream: io.TextIOWrapper, name: str) -> None:
        self.stream = stream
        self.name = name
        self._swaps: list[Swap] = []
        self._direct: _DirectWrite | None = None
        self._was_write_through = _of_text(stream, "write_through")
        # What somebody writes by a method that they kept must not wait here.
        self._write_through(True)
        buffer = _of_text(stream, "buffer")
        if type(buffer) in (io.BufferedWriter, io.FileIO) and "write" not in vars(buffer):
            self._hook(buffer, "write", self._buffer_write(buffer.write, buffer.flush))
        if type(stream) is io.TextIOWrapper:
            write = self._write(stream.write)
            swap = self._hook(stream, "write", write)
            self._direct = None if swap is None else _DirectWrite(swap, write)
            self._hook(stream, "flush", self._flush(stream.flush))
            self._hook(stream, "close", self._close(stream.close))

    def _write_through(self, on: bool) -> None:
        try:  # noqa: SIM105 - `suppress` takes longer than this, and captures are often short
            _of_text(self.stream, "reconfigure")(write_through=on)
        except Exception:  # it is closed, or its class has a flush that fails
            pass

    def _hook(self, owner: Any, method: str, function: Callable[..., Any]) -> Swap | None:
        if method in vars(owner):  # it is somebody else's, who calls what was there
            return None
        self._swaps.append(Swap(owner, method).put(function))
        return self._swaps[-1]

    def _write(self, own: Callable[[str], int]) -> Callable[[str], int]:
        name = self.name
        own_flush = self.stream.flush

        def write_own(text: str) -> int:
            base = base_of(name)
            if base is not None:
                return base.write(text)
            count = own(text)
            if is_outside():  # shown at once, as while nothing is paused
                own_flush()
            return count

        def write(text: str, /) -> int:
            if not isinstance(text, str):
                return own(text)  # which raises what it should
            count: int = write_routed(name, write_own, text)
            return count

        return write

    def _flush(self, own: Callable[[], None]) -> Callable[[], None]:
        name = self.name

        def flush_own() -> None:
            base = base_of(name)
            if base is not None:
                base.flush()
            own()

        def flush() -> None:
            flush_routed(name, flush_own)

        return flush

    def _close(self, own: Callable[[], None]) -> Callable[[], None]:
        name = self.name

        def close() -> None:
            """What a capture shows elsewhere may be written after its end."""
            target = destination(name)
            if target is None:
                own()
            else:
                flush_quietly(target)

        return close

    def _buffer_write(
        self, own: Callable[[Any], Any], own_flush: Callable[[], None]
    ) -> Callable[[Any], Any]:
        name, encoding = self.name, encoding_of(self.stream)

        def write_own(data: Any) -> Any:
            base = base_of(name)
            if base is not None:
                return write_bytes(base, data, encoding)
            count = own(data)
            if is_outside():
                own_flush()
            return count

        def write(data: Any, /) -> Any:
            return write_bytes_routed(name, write_own, data, encoding)

        return write

    def lead_to(self, stream: CaptureStream | None, mark: object) -> None:
        """Write to ``stream`` without asking in contexts with a mark: that is most of the time."""
        if self._direct is not None:
            self._direct.lead_to(stream, mark)

    def undo(self) -> None:
        for swap in reversed(self._swaps):
            swap.undo()
        self._write_through(self._was_write_through)


# -- from the first capture to the last ----------------------------------------------------------

lock = fork_safe_lock()
_hooks: dict[int, tuple[_KernelHook | _TextHook, int]] = {}


def hook(streams: list[Any], name: str) -> list[int]:
    """Have streams lead to the router; return what `unhook` takes."""
    with lock:
        numbers = []
        for stream in streams:
            if is_a(stream, StandIn):  # it does already
                continue
            number = id(stream)
            if number in _hooks:
                hooked, users = _hooks[number]
            else:
                kind = _TextHook if is_a(stream, io.TextIOWrapper) else _KernelHook
                hooked, users = kind(stream, name), 0
            _hooks[number] = hooked, users + 1
            numbers.append(number)
        return numbers


def unhook(numbers: list[int]) -> None:
    """Undo one `hook`. Idempotent: it empties the list."""
    with lock:
        while numbers:
            number = numbers.pop()
            hooked, users = _hooks[number]
            if users > 1:
                _hooks[number] = hooked, users - 1
            else:
                del _hooks[number]
                hooked.undo()


def lead(name: str, stream: CaptureStream | None, mark: object) -> None:
    """Have hooked streams of a name write to ``stream`` without asking where that is right."""
    with lock:
        for hooked, _ in _hooks.values():
            if hooked.name == name:
                hooked.lead_to(stream, mark)
