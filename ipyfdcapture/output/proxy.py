"""Stream proxies: ``sys.stdout`` and ``sys.stderr`` that are another stream for each thread."""

from __future__ import annotations

import io
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, TextIO

from ..system.living import Living
from ..system.threads import Counter
from .foreign import attribute_of, is_a
from .own_streams import find_users, own_streams

NAMES = ("stdout", "stderr")

#: Streams of ours that were in ``sys`` a moment ago. `print` does not hold on to the stream that it
#: writes to, before Python 3.14: another thread that is in the midst of one would crash.
_retired: deque[Any] = deque(maxlen=64)


def retire(stream: Any) -> None:
    """Keep a stream of ours for a while that was in ``sys``."""
    _retired.append(stream)


_installed = False


def is_installed() -> bool:
    """Tell whether proxies lead to the streams of threads."""
    return _installed


def set_installed(on: bool) -> None:
    """Have proxies lead to the streams of threads, or all to their originals."""
    global _installed
    _installed = on


class _Delegating:
    """Passes on whatever is asked of it to the object that is right at that moment.

    Methods are looked up when they are called, not when they are fetched: code that keeps
    ``sys.stdout.write`` for later must not keep one user's stream for all.
    """

    __slots__ = ("_proxied_patches",)

    def __init__(self) -> None:
        self._proxied_patches: Living[_Patch] = Living()

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
            self._proxied_patches.add(patch)

    def __delattr__(self, name: str) -> None:
        if not self._unpatch(name):
            delattr(self._target(), name)

    def _unpatch(self, name: str) -> bool:
        """Undo the newest patch of that name, on the current stream if that has one."""
        target = self._target()
        patches = [patch for patch in self._proxied_patches if patch.name == name]
        if not patches:
            return False
        newest = max(patches, key=lambda patch: (patch.target is target, patch.number))
        self._proxied_patches.discard(newest)
        newest.undo()
        return True

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *dir(self._target())})

    def __reduce__(self) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")


_numbers = Counter()


class _Patch:
    """What somebody put in the place of a stream's method, through a proxy.

    IPython does that to ``sys.stdout.write`` for each cell. The method that they found there, and
    call from theirs, is the proxy's: it looks the stream's method up again and finds theirs. So,
    within theirs, this stands for the one below.
    """

    def __init__(self, target: Any, name: str, function: Callable[..., Any]) -> None:
        self.number = _numbers.next()
        self.target = target
        self.name = name
        self.__module__ = attribute_of(function, "__module__")  # who looks knows whose it is
        self._function = function
        self._original = getattr(target, name)
        self._replaced = {name: self._original} if name in vars(target) else {}
        self._within = threading.local()
        setattr(target, name, self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if vars(self._within).get("active"):
            return self._original(*args, **kwargs)
        self._within.active = True
        try:
            return self._function(*args, **kwargs)
        finally:
            self._within.active = False

    def undo(self) -> None:
        self._function = self._original  # for those who put theirs on top
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
        if is_installed():
            stream = find_users(own_streams(), self._proxied_name)
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


def process_stream(name: str) -> Any:
    """Return ``sys.<name>`` as threads without streams of their own see it.

    Captures of descriptors use this and `set_process_stream` in place of ``sys.stdout`` itself,
    so that they take what belongs to the process, and leave threads their own streams.
    """
    stream = getattr(sys, name, None)
    return stream._proxied_original if is_a(stream, ThreadStreamProxy) else stream


def set_process_stream(name: str, stream: Any) -> None:
    """Put ``stream`` in the place of `process_stream`, below the proxy if there is one."""
    current = getattr(sys, name, None)
    if is_a(current, ThreadStreamProxy):
        current._proxied_original = stream
    else:
        setattr(sys, name, stream)
