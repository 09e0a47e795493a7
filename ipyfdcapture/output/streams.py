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
import io
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, cast

from ..system.pipes import waiting_bytes
from . import cstdio
from .cstdio import flush_stdout, stdout_marks
from .proxy import process_stream, set_process_stream

_FORWARDED = ("write", "writelines", "flush", "fileno")
ENDED_STREAMS = 64


class _DescriptorWriter(io.RawIOBase):
    """The binary side of a stream: unbuffered, so that the order of writes is the order of
    bytes, and complete, because nobody above would write the rest."""

    mode = "wb"

    def __init__(self, fd: int, name: str, owned: bool) -> None:
        self._fd = fd
        self._owned = owned
        self.name = name
        #: Whether text that does not end a line waits above.
        self.is_partial = False
        #: Whether the capture is over, after which nobody flushes what waits.
        self.ended = False
        #: The capture's own pipe, by its write end, and whether to write there.
        self.pipe = -1
        self.to_pipe = False
        self.below: Callable[[], Any] = _nowhere
        self.marks = stdout_marks()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def write(self, data: Any, /) -> int:
        # What waits in C's buffer was written before this; but text that waited here was
        # written before that.
        if not self.is_partial and self.marks[0] != self.marks[1]:
            flush_stdout()
        if _not_captured and threading.get_ident() in _not_captured:
            return self.write_below(bytes(data).decode("utf-8", "replace"), len(data))
        written = 0
        size = len(data)
        while written < size:
            fd = self.pipe if self.to_pipe else self._fd
            try:
                written += _write(fd, memoryview(data)[written:] if written else data)
            except BlockingIOError:  # a child or asyncio made it so, and nobody would try again
                await_room(fd)
            except OSError:
                if fd == (self.pipe if self.to_pipe else self._fd):
                    raise
                # Closed at the end of the capture, while this thread was on its way.
        return size

    def write_below(self, text: str, size: int = 0) -> int:
        """Write past all captures; return ``size``."""
        below = self.below()
        if below is not None:
            below.write(text)
            flush_quietly(below)
        return size

    def lead_to(self, fd: int) -> None:
        """Write to ``fd``, which is somebody else's, from now on."""
        before, self._fd = self._fd, fd
        if self._owned:
            self._owned = False
            os.close(before)

    def close(self) -> None:
        if self._owned and not self.closed:
            with contextlib.suppress(OSError):
                os.close(self._fd)
        super().close()


class Turns:
    """Keeps the order in which Python writes to the two streams of one capture.

    They are two pipes, and the system does not tell which was written to first. So a stream that
    takes its turn first waits until the drain has read what the other wrote. That is done while
    it costs little: for a program that changes streams at every line and never pauses, order
    within a burst is lost (``merge`` keeps it always).
    """

    _WAIT_S = 0.05
    _STEP_S = 0.00003
    _FREE_S = 0.1  # may be spent waiting at once, and
    _SHARE = 0.1  # of the time of the capture beyond that

    def __init__(self) -> None:
        self.last: CaptureStream | None = None
        self._started = time.monotonic()
        self._spent = 0.0

    def take(self, stream: CaptureStream) -> None:
        """Let ``stream`` be the one that writes."""
        before, self.last = self.last, stream
        if before is None:
            return
        before.flush_partial()
        start = time.monotonic()
        if self._spent > self._FREE_S + self._SHARE * (start - self._started):
            return
        pipe = before.pipe
        if pipe < 0:
            return
        with contextlib.suppress(OSError):  # the capture has ended meanwhile
            while waiting_bytes(pipe) and time.monotonic() - start < self._WAIT_S:
                time.sleep(self._STEP_S)
        self._spent += time.monotonic() - start


_write = os.write  # kept: it needs none of the hooks that captures put on os.write


def await_room(fd: int) -> None:
    """Wait until a descriptor that does not block takes more."""
    waiter = select.poll()
    waiter.register(fd, select.POLLOUT)
    waiter.poll()


def _nowhere() -> None:
    return None


_not_captured: set[int] = set()


@contextlib.contextmanager
def never_capturing_this_thread() -> Iterator[None]:
    """What this thread writes through Python goes where it went before any capture.

    For threads that hand captured lines to the user's functions and log handlers: what these
    print must not be captured again.
    """
    here = threading.get_ident()
    _not_captured.add(here)
    try:
        yield
    finally:
        _not_captured.discard(here)


@contextlib.contextmanager
def _capturing_this_thread() -> Iterator[None]:
    """Capture what is written by `never_capturing_this_thread` on behalf of others."""
    here = threading.get_ident()
    if here not in _not_captured:
        yield
        return
    _not_captured.discard(here)
    try:
        yield
    finally:
        _not_captured.add(here)


class CaptureStream(io.TextIOWrapper):
    """A text stream on a descriptor. Each line is one write, so that lines of several threads or
    processes do not mix; text that does not end a line waits for the rest of it, or a flush."""

    def __init__(
        self,
        fd: int,
        name: str,
        encoding: str,
        errors: str,
        *,
        owned: bool = False,
        found: Any = None,
    ) -> None:
        # Kept beside ``buffer``, which is gone once somebody detaches it.
        self._writer = _DescriptorWriter(fd, name, owned)
        super().__init__(
            cast(Any, self._writer),
            encoding=encoding,
            errors=errors,
            newline="\n",
            line_buffering=True,
        )
        self.mode = "w"  # type: ignore[misc]
        self._found = found

    def write(self, text: str, /) -> int:
        """Write text, after what native code has printed so far."""
        return _make_write(self, Turns())(text)

    def _note_partial(self, is_partial: bool) -> None:
        self._writer.is_partial = is_partial
        (_waiting.add if is_partial else _waiting.discard)(self)

    def flush(self) -> None:
        """Write what waits for the end of its line."""
        if _not_captured:
            with _capturing_this_thread():
                super().flush()
        else:
            super().flush()
        if self._writer.is_partial:
            self._note_partial(False)

    def flush_partial(self) -> None:
        """Write what waits, if anything does."""
        if self._writer.is_partial:
            flush_quietly(self)

    @property
    def pipe(self) -> int:
        """The capture's own pipe, by its write end; -1 if it has none."""
        return self._writer.pipe

    def set_below(self, below: Callable[[], Any]) -> None:
        """Say where output goes that must not be captured, see `never_capturing_this_thread`."""
        self._writer.below = below

    def write_to_pipe(self, on: bool) -> None:
        """Write to this capture's own pipe, whichever one the descriptor leads to."""
        self._writer.to_pipe = on and self._writer.pipe >= 0

    def take_turns(self, turns: Turns, pipe: int) -> None:
        """Write to a pipe by its write end, in order with the other streams of ``turns``."""
        self._writer.pipe = pipe
        self._writer.ended = False
        self.__dict__["write"] = _make_write(self, turns)

    def leave_capture(self, fd: int) -> None:
        """The capture is over: write where descriptor ``fd`` leads."""
        self._writer.lead_to(fd)
        self._writer.pipe = -1
        self._writer.to_pipe = False
        self._writer.ended = True
        self.__dict__.pop("write", None)  # which refers to us
        # What other threads were just writing. Twice: they may do so while we flush.
        for _ in range(2):
            with contextlib.suppress(OSError, ValueError):
                CaptureStream.flush(self)

    def __getattr__(self, name: str) -> Any:
        # What the object in whose place this is has beyond a text stream: ipykernel, for one,
        # tells its streams which cell they belong to.
        if name == "_found" or self._found is None:
            raise AttributeError(name)
        return getattr(self._found, name)


_waiting = cstdio.waiting


def _make_write(stream: CaptureStream, turns: Turns) -> Callable[[str], int]:
    """Return ``stream.write``.

    As a closure: ``print`` calls it for each of its arguments, and to look up attributes of a
    class that has a ``__getattr__`` would take half of its time.
    """
    writer = stream._writer
    marks = writer.marks
    write_text = super(CaptureStream, stream).write

    def write(text: str, /) -> int:
        if _not_captured and threading.get_ident() in _not_captured:
            # Not through the buffer: what others left there is captured.
            writer.write_below(text)
            return len(text)
        if turns.last is not stream:
            turns.take(stream)
        if marks[0] != marks[1]:
            if writer.is_partial:
                stream.flush()
            flush_stdout()
        written = write_text(text)
        if text and writer.is_partial is (text[-1] == "\n"):
            stream._note_partial(not writer.is_partial)
            if writer.ended:  # while this thread was on its way here
                CaptureStream.flush(stream)
        return written

    return write


class _Forwarding:
    """Methods of one stream object that other methods stand in for, until undone."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        attributes = attribute_of(stream, "__dict__")  # None: it has no place for them
        self._attributes: dict[str, Any] = {} if attributes is None else attributes
        self._before = {name: self._attributes.get(name, _MISSING) for name in _FORWARDED}
        self._methods: dict[str, Any] = {}

    def point_to(self, methods: dict[str, Any]) -> None:
        self._methods = methods
        self._attributes.update(methods)

    def undo(self) -> None:
        for name, before in self._before.items():
            if self._attributes.get(name) is not self._methods.get(name):
                continue  # somebody has replaced it since: it is theirs now
            if before is _MISSING:
                self._attributes.pop(name, None)
            else:
                self._attributes[name] = before


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
            self.keep_to_own_pipes()
        methods = self._by_thread() if by_thread else self.stack[-1].methods if self.stack else {}
        for number in [number for number in self._forwardings if number not in objects]:
            self._forwardings.pop(number).undo()
        for number, stream in objects.items():
            if number not in self._forwardings:
                self._forwardings[number] = _Forwarding(stream)
            self._forwardings[number].point_to(methods)

    def keep_to_own_pipes(self) -> None:
        for each in self.stack:
            each.stream.write_to_pipe(True)

    def settle(self) -> None:
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
_lock = threading.RLock()


def keep_to_own_pipes(name: str | None) -> None:
    """The descriptor of ``sys.<name>`` is about to change: have captures write to their pipes."""
    with _lock:
        if name in _names:
            _names[name].keep_to_own_pipes()


def settle(name: str | None) -> None:
    """The descriptor of ``sys.<name>`` leads to the newest capture again, as its stream does."""
    with _lock:
        if name in _names:
            _names[name].settle()


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
    below
        Makes a stream on what the descriptor was before; used where ``sys.<name>`` wrote to it.
    """

    def __init__(self, name: str, fd: int, stream: CaptureStream, below: Callable[[], Any]) -> None:
        self.name = name
        self.stream = stream
        self._fd = fd
        self.thread = threading.get_ident()
        self.methods = {method: getattr(stream, method) for method in _FORWARDED}
        stream.set_below(self.below)
        with _lock:
            self._was_missing = not hasattr(sys, name)
            self._found = process_stream(name)
            self._below = below if fileno_of(self._found) == fd else self._found_itself
            self._found_methods = _methods_of(self._found)
            self.objects = [] if self._found is None else [self._found]
            dunder = getattr(sys, f"__{name}__", None)
            if dunder is not self._found and fileno_of(dunder) == fd:
                self.objects.append(dunder)
            for each in self.objects:
                flush_quietly(each)
            active = _names.setdefault(name, _Name())
            active.stack.append(self)
            active.rewire()
            set_process_stream(name, stream)

    def below(self) -> Any:
        """Return a stream that writes where ``sys.<name>`` wrote before; None if nowhere."""
        return self._below()

    def _found_itself(self) -> Any:
        return None if self._found is None else _Methods(self._found, self._found_methods)

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
                if each._found is self.stream:  # what it will put back is what we would have
                    each._found, each._found_methods = self._found, self._found_methods
                    each._was_missing = self._was_missing
                    each._below, each.objects = self._below, self.objects
            active.rewire()
            if is_newest and self._was_missing:
                delattr(sys, self.name)
            elif is_newest:
                set_process_stream(self.name, self._found)
            if not active.stack:
                del _names[self.name]
            # They refer to us, and the streams to each other; without the circle all go.
            self.stream.set_below(_nowhere)
            self.stream.leave_capture(self._fd)
            _ended.append(self.stream)
            if self._found is not None:
                # For whoever keeps it: from now on it writes to what is there again, and that to
                # the captures to come.
                methods: dict[str, Any] = {
                    method: functools.partial(_call, self._found, method) for method in _FORWARDED
                }
                methods["flush"] = functools.partial(flush_quietly, self._found)
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
    before = {each.name: process_stream(each.name) for each in replacements}
    belows = {each.name: each.below() for each in replacements}
    for each in replacements:
        if belows[each.name] is not None:
            set_process_stream(each.name, _ForThisThread(belows[each.name], each.stream))
    try:
        yield
    finally:
        for name, stream in before.items():
            flush_quietly(belows[name])
            set_process_stream(name, stream)


def flush_quietly(stream: Any) -> None:
    """Flush a stream that may be None, closed, or broken."""
    if stream is not None:
        try:  # noqa: SIM105 - also when the interpreter goes, and `contextlib` is gone
            stream.flush()
        except Exception:  # whatever the stream of somebody else can raise
            pass


def fileno_of(stream: Any) -> int | None:
    """Return a stream's descriptor, or None if it has none."""
    try:
        number = stream.fileno()
    except Exception:  # whatever the stream of somebody else can raise
        return None
    return number if isinstance(number, int) else None


def attribute_of(stream: Any, name: str, default: Any = None) -> Any:
    """Return an attribute of a stream that may be None or broken."""
    try:
        return getattr(stream, name, default)
    except Exception:  # a proxy that is bound to nothing at present, for one
        return default


def error_handler_of(stream: Any) -> str:
    """Return how a stream treats characters that its encoding lacks.

    A stream that has no rule of its own, such as ipykernel's, takes everything.
    """
    if isinstance(stream, io.TextIOWrapper) and stream.errors:
        return stream.errors
    return "backslashreplace"
