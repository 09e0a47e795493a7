"""``sys.stdout`` and ``sys.stderr`` while a capture is active.

A capture puts a real text stream on the captured descriptor in the place of each. Whoever kept
the object that was there before (a logging handler, tqdm, ipykernel's own ``OutStream``) is
captured too: its ``write`` goes to the new stream. When the capture ends the new stream in turn
hands on to the old one, for whoever kept that.

Like redirections, replacements form a stack for each name and may be undone in any order.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

from .cstdio import flush_stdout, stdout_pending
from .drain.pump import waiting_bytes
from .threads import process_stream, set_process_stream

_FORWARDED = ("write", "writelines", "flush", "fileno")


class _DescriptorWriter(io.RawIOBase):
    """The binary side of a stream: unbuffered, so that the order of writes is the order of
    bytes, and complete, because nobody above would write the rest."""

    mode = "wb"

    def __init__(self, fd: int, name: str, owned: bool) -> None:
        self._fd = fd
        self._owned = owned
        self.name = name
        self.pipe = -1
        self.turns: Turns | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def write(self, data: Any, /) -> int:
        if stdout_pending():
            flush_stdout()
        turns = self.turns
        if turns is not None and turns.last is not self:
            turns.take(self)
        written: int = _write(self._fd, data)
        size = len(data)
        while written < size:
            written += _write(self._fd, memoryview(data)[written:])
        return size

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

    _WAIT_S = 0.005
    _STEP_S = 0.00003
    _FREE_S = 0.1  # may be spent waiting at once, and
    _SHARE = 0.1  # of the time of the capture beyond that

    def __init__(self) -> None:
        self.last: _DescriptorWriter | None = None
        self._started = time.monotonic()
        self._spent = 0.0

    def take(self, writer: _DescriptorWriter) -> None:
        """Let ``writer`` be the one that writes."""
        before, self.last = self.last, writer
        start = time.monotonic()
        if before is None or self._spent > self._FREE_S + self._SHARE * (start - self._started):
            return
        with contextlib.suppress(OSError):  # the capture has ended meanwhile
            while waiting_bytes(before.pipe) and time.monotonic() - start < self._WAIT_S:
                time.sleep(self._STEP_S)
        self._spent += time.monotonic() - start


_write = os.write  # kept: it needs none of the hooks that captures put on os.write


class CaptureStream(io.TextIOWrapper):
    """A text stream on a descriptor, written at once: each write is one system call."""

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
        super().__init__(
            cast(Any, _DescriptorWriter(fd, name, owned)),
            encoding=encoding,
            errors=errors,
            newline="\n",
            write_through=True,
        )
        self._found = found

    def take_turns(self, turns: Turns, pipe: int) -> None:
        """Keep the order with other streams of ``turns``; ``pipe`` is the write end."""
        writer = cast(_DescriptorWriter, self.buffer)
        writer.turns, writer.pipe = turns, pipe

    def __getattr__(self, name: str) -> Any:
        # What the object in whose place this is has beyond a text stream: ipykernel, for one,
        # tells its streams which cell they belong to.
        if name == "_found" or self._found is None:
            raise AttributeError(name)
        return getattr(self._found, name)


class Forwarding:
    """The methods of one stream object stand in for another's, until undone."""

    def __init__(self, stream: Any, target: Any) -> None:
        self._stream = stream
        self._before: dict[str, Any] = {}
        attributes = getattr(stream, "__dict__", None)
        if attributes is None:
            return  # it has no place for them
        self._before = {name: attributes.get(name, _MISSING) for name in _FORWARDED}
        for name in _FORWARDED:
            setattr(stream, name, getattr(target, name))

    def undo(self) -> None:
        """Give the stream its own methods back."""
        for name, before in self._before.items():
            if before is _MISSING:
                self._stream.__dict__.pop(name, None)
            else:
                self._stream.__dict__[name] = before
        self._before = {}


_MISSING = object()


class _Name:
    """``sys.stdout`` or ``sys.stderr``: what it was, and the replacements on top of that."""

    def __init__(self, original: Any) -> None:
        self.original = original
        self.stack: list[Replacement] = []


_names: dict[str, _Name] = {}
_lock = threading.RLock()


class Replacement:
    """``sys.<name>`` is ``stream`` until `undo`.

    ``fd`` is the descriptor that is captured; ``below`` is a stream that writes where the name
    wrote before, made when first asked for, for use by `outside`.
    """

    def __init__(self, name: str, fd: int, stream: CaptureStream, below: Callable[[], Any]) -> None:
        self.name = name
        self.stream = stream
        with _lock:
            self.found = process_stream(name)
            flush_quietly(self.found)
            dunder = getattr(sys, f"__{name}__", None)
            self._below = below
            self._on_fd = fileno_of(self.found) == fd
            self._unforwarded = _unforwarded(self.found)
            old = [self.found]
            if dunder is not self.found and fileno_of(dunder) == fd:
                old.append(dunder)
            for each in old:
                flush_quietly(each)
            self._forwardings = [Forwarding(each, stream) for each in old if each is not None]
            _names.setdefault(name, _Name(self.found)).stack.append(self)
            set_process_stream(name, stream)

    def below(self) -> Any:
        """Return a stream that writes where ``sys.<name>`` wrote before this replacement."""
        if self.found is None:
            return None
        return self._below() if self._on_fd else _Unforwarded(self.found, self._unforwarded)

    def undo(self) -> None:
        """Put back what is below, unless a newer replacement is on top. Idempotent."""
        with _lock:
            name = _names.get(self.name)
            if name is None or self not in name.stack:
                return
            flush_quietly(self.stream)
            position = name.stack.index(self)
            below = name.stack[position - 1].stream if position else name.original
            if name.stack[-1] is self:
                set_process_stream(self.name, below)
            for forwarding in reversed(self._forwardings):
                forwarding.undo()
            name.stack.remove(self)
            if not name.stack:
                del _names[self.name]
            if below is not None:
                Forwarding(self.stream, _Handing(self.name, below))


class _Handing:
    """What a stream that outlives its capture does: write to what took its place."""

    def __init__(self, name: str, below: Any) -> None:
        self.write = below.write
        self.writelines = below.writelines
        self.flush = below.flush
        self.fileno = below.fileno


class _Unforwarded:
    """A stream object by its own methods, as they were before they were forwarded."""

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
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def fileno_of(stream: Any) -> int | None:
    """Return a stream's descriptor, or None if it has none."""
    try:
        number = stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None
    return number if isinstance(number, int) else None


def _unforwarded(stream: Any) -> dict[str, Any]:
    return {name: getattr(stream, name) for name in _FORWARDED if hasattr(stream, name)}


def error_handler_of(stream: Any) -> str:
    """Return how a stream treats characters that its encoding lacks.

    A stream that has no rule of its own, such as ipykernel's, takes everything.
    """
    if isinstance(stream, io.TextIOWrapper) and stream.errors:
        return stream.errors
    return "backslashreplace"
