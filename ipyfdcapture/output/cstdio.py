"""Flush the buffers that native code writes through: C stdio, and those of `.runtimes`.

C's ``stdout`` is fully buffered on a pipe. To keep what native code prints in order with what
Python and children write, `flush_stdout` runs just before Python writes to a captured
descriptor and before it starts a child; that costs nothing while the buffer is empty, and leaves
``printf`` its buffer. (Making ``stdout`` line buffered instead costs up to ten times the time.)
At the end of a capture, `flush_native` empties the buffers of other runtimes, too.
"""

from __future__ import annotations

import ctypes
import functools
import operator
import os
import subprocess
import types
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..system.forking import Stage, at_fork, fork_safe_lock
from ..system.replacing import Swap, Unbound
from ..system.threads import is_emptying_pipes
from .own_streams import in_context
from .router import dup_outside, keep_to_pipe, passing
from .runtimes import loaded as runtimes

_libc = ctypes.CDLL(None)
_libc_with_gil = ctypes.PyDLL(None)


def _find_symbol(name: str) -> ctypes.c_void_p | None:
    try:
        return ctypes.c_void_p.in_dll(_libc, name)
    except ValueError:
        return None


_stdout = _find_symbol("stdout") or _find_symbol("__stdoutp")  # glibc and musl; macOS


def bsd_marks(stream: ctypes.c_void_p, fd: int) -> Sequence[int] | None:
    """Return the start and the end of what waits in the buffer of a ``FILE`` of macOS or a BSD.

    None if it is another system's. ``fd`` is its descriptor.
    """
    # struct __sFILE (stdio.h): _p, _r, _w, _flags, _file, _bf._base. Their place is part of the
    # ABI: getc and putc are macros that use them.
    place = stream.value or 0
    if _WORD != 8 or ctypes.c_short.from_address(place + 18).value != fd:
        return None
    words = ctypes.c_ulong * 4
    return memoryview(words.from_address(place)).cast("B").cast("L")[::-3]


_WORD = ctypes.sizeof(ctypes.c_void_p)


def _is_bsd() -> bool:
    return _find_symbol("__stdoutp") is not None


def _make_stdout_pending() -> Callable[[], int]:
    if not _stdout:
        return lambda: 0
    try:
        pending = _libc_with_gil["__fpending"]
    except AttributeError:
        marks = bsd_marks(_stdout, 1) if _is_bsd() else None
        return lambda: 1 if marks is None else marks[1] - marks[0]
    pending.argtypes = [ctypes.c_void_p]
    pending.restype = ctypes.c_size_t
    return functools.partial(pending, _stdout)


#: Tells how many bytes wait in the buffer of C's ``stdout``, without taking its lock. Where the
#: C library can't tell, it says 1: every flush has to be tried.
stdout_pending = _make_stdout_pending()


#: Two things that differ as long as something may wait in the buffer of C's ``stdout``.
Marks = tuple[object, object]


def _make_marks() -> Marks | None:
    marks = _find_marks()
    # To compare two views takes half of the time that it takes to read two numbers.
    return None if marks is None else (marks[0:1], marks[1:2])


def _find_marks() -> Sequence[int] | None:
    if not _stdout:
        return None
    if _is_bsd():
        return bsd_marks(_stdout, 1)
    if not hasattr(_libc, "gnu_get_libc_version"):
        return None
    # glibc's struct _IO_FILE (bits/types/struct_FILE.h): _IO_write_base and _IO_write_ptr. Their
    # place is part of its ABI: programs were compiled that write through them.
    words = ctypes.c_ulong * 2
    place = (_stdout.value or 0) + 4 * ctypes.sizeof(ctypes.c_ulong)
    marks = memoryview(words.from_address(place)).cast("B").cast("L")
    return marks if marks[1] - marks[0] == stdout_pending() else None


_marks = _make_marks()
_UNKNOWN: Marks = (0, 1)


def stdout_marks() -> Marks:
    """Return what differs as long as something may wait in the buffer of C's ``stdout``.

    To compare them takes a tenth of the time of `stdout_pending`. They always differ where the
    C library's buffer is not known, or is another one: that of wide characters (``wprintf``).
    """
    if _marks is None or _libc.fwide(_stdout, 0) > 0:
        return _UNKNOWN
    return _marks


def flush_stdout() -> None:
    """Flush C's ``stdout``, if something waits in it and no other thread has it locked."""
    if not stdout_pending() or is_emptying_pipes() or _is_locked():
        return  # whoever has it will go on writing
    # Without the GIL: the pipe may be full and the drain a thread. fflush takes the lock and gives
    # it back itself. Who keeps the lock from one call to the next waits for the GIL with it, and
    # code that prints while it holds the GIL waits for the lock.
    _libc.fflush(_stdout)


def _make_is_locked() -> Callable[[], bool]:
    lock, unlock = _libc_with_gil.ftrylockfile, _libc_with_gil.funlockfile
    unlock.restype = None
    # No other thread gets the GIL in between: not one instruction of Python's runs in `any`, which
    # stops at a lock that was not had.
    on_stdout = operator.methodcaller("__call__", _stdout)
    calls = (lock, unlock)
    return lambda: any(map(on_stdout, calls))


#: Tells whether another thread has C's ``stdout`` locked.
_is_locked = _make_is_locked()


def buffer_lines() -> Callable[[], object]:
    """Have C's ``stdout`` written at each line end, as it is on a terminal; return what undoes it.

    C decides when it first writes to it, which was long ago. Nothing is changed if it is so, or if
    the C library does not tell, or another thread has it locked.
    """
    if not _stdout or not _is_by_line or _is_by_line(_stdout) or not _set_buffering(_LINES):
        return lambda: None
    return lambda: _set_buffering(_FULL)


#: ``_IOFBF`` and ``_IOLBF`` of ``setvbuf`` in <stdio.h>: the same in glibc, musl and macOS.
_FULL, _LINES = 0, 1
_is_by_line = getattr(_libc_with_gil, "__flbf", None)  # glibc and musl


def _set_buffering(mode: int) -> bool:
    if _is_locked():
        return False  # whoever has it may wait for us
    _libc.setvbuf(_stdout, None, mode, ctypes.c_size_t(0))
    return True


def flush_native() -> None:
    """Flush all native buffers of this process, so far as that can be done without waiting."""
    flush_stdout()
    runtimes.flush_runtimes()


def flush_beside_writers() -> None:
    """Flush those that may be flushed while other threads write through them.

    Not iostreams, unless `.runtimes.loaded.tie_iostreams` has made them write through C stdio.
    """
    flush_stdout()
    runtimes.flush_fortran()


class _Waiting(Protocol):
    def flush_partial(self) -> None: ...


#: The streams of Python's that keep text back. Such text was written before what waits in C's
#: buffer. `ipyfdcapture.output.capture_stream` keeps this up.
waiting: set[_Waiting] = set()


def flush_python() -> None:
    """Have Python's streams write the unfinished lines that they keep back."""
    if is_emptying_pipes():
        return
    for stream in list(waiting):
        stream.flush_partial()


class _Hooked(Unbound):
    """What stands in for a function of another module. A pickle of it is one of that function.

    So a pool gets what the user gave it: the process of a worker has no capture of ours. A plain
    `functools.partial` is called faster, but `multiprocessing` has a way of its own to pickle one.
    """

    __wrapped__: Any

    def __reduce__(self) -> Any:
        return operator.itemgetter(0), ((self.__wrapped__,),)


class _Hook:
    """One function of another module that flushes what waits before it runs.

    A copy of the hooked function that someone kept goes on working, without effect, when nothing
    is captured.
    """

    def __init__(self, module: Any, name: str, make: Callable[[Any, Marks], Any]) -> None:
        self._swap = Swap(module, name)
        self._make = make
        self._function: Any = None  # made once for what it stands in for: that takes long
        self._made_of: tuple[Any, Marks] | None = None

    @property
    def can_be_hooked(self) -> bool:
        """Whether there is such a function."""
        return callable(getattr(self._swap.owner, self._swap.name, None))

    def install(self, marks: Marks) -> None:
        """Begin, with what `stdout_marks` says."""
        original = getattr(self._swap.owner, self._swap.name)
        made_of = self._made_of
        if made_of is None or made_of[0] is not original or made_of[1] is not marks:
            self._function, self._made_of = self._make(original, marks), (original, marks)
        self._swap.put(self._function)

    def remove(self) -> None:
        if not self._swap.undo():
            self._made_of = None  # somebody has put theirs on top, and may keep it


def _in_place_of(original: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator: it makes a function stand in for ``original``."""
    return lambda function: functools.update_wrapper(_Hooked(function), original)


def _make_hooked(original: Any, marks: Marks) -> Any:
    start, end = marks

    @_in_place_of(original)
    def hooked(*args: Any, **kwargs: Any) -> Any:
        if waiting:
            flush_python()
        if start != end:
            flush_stdout()
        return original(*args, **kwargs)

    return hooked


class _Write:
    """What ``os.write`` is a method of while something is captured.

    It is called often. A method is called in 40 ns more than the function itself, a `_Hooked` in
    130 (Python 3.11). It goes to other processes without anything of ours:

    - `pickle` and `multiprocessing` ask this object for the attribute that has the method's name;
    - cloudpickle copies the method's function, which therefore names nothing of its module, and
      `__reduce__` says what becomes of this object.
    """

    def __init__(self, original: Any, marks: Marks) -> None:
        self.write = original
        self.start, self.end = marks
        self.waiting, self.passing = waiting, passing

    def __reduce__(self) -> Any:
        never = {"start": 0, "end": 0, "waiting": (), "passing": ()}
        return types.SimpleNamespace, (), {"write": self.write, **never}

    def in_order(self, fd: int, data: Any) -> Any:
        """Write once what waits has been written, and to where this context writes."""
        if waiting:
            flush_python()
        if self.start != self.end:
            flush_stdout()
        if passing and fd in (1, 2):
            streams = in_context.get()
            base = dup_outside(fd) if streams is not None and streams.is_outside else None
            if base is not None:
                try:
                    return self.write(base, data)
                finally:
                    os.close(base)
        return self.write(fd, data)


def _hooked_write(self: _Write, fd: int, data: Any, /) -> Any:
    if self.waiting or self.start != self.end or self.passing:
        return self.in_order(fd, data)
    write = self.write
    return write(fd, data)


def _make_hooked_write(original: Any, marks: Marks) -> Any:
    # With globals of its own: dill takes those of a function along with it.
    function = types.FunctionType(_hooked_write.__code__, {"__name__": __name__})
    functools.update_wrapper(function, original, updated=())
    # `inspect` would take the first argument of the original for this one's `self`.
    del function.__wrapped__  # type: ignore[attr-defined]
    function.__name__ = "write"  # by which `_Write` is asked
    return types.MethodType(function, _Write(original, marks))


#: Which arguments of ``_fork_exec`` are the child's descriptors 1 and 2; -1 for those it inherits.
_CHILDS = ((9, 1), (11, 2))


def _make_hooked_fork(original: Any, marks: Marks) -> Any:
    hooked = _make_hooked(original, marks)

    @_in_place_of(original)
    def hooked_fork(*args: Any) -> Any:
        # A callback's child writes where the callback does: else it would be captured in a circle.
        given = list(args)
        opened = []
        try:
            for place, fd in _CHILDS:
                base = dup_outside(fd) if given[place] == -1 else None
                if base is not None:
                    given[place] = base
                    opened.append(base)
            return hooked(*given)
        finally:
            for fd in opened:
                os.close(fd)

    return hooked_fork


def _make_hooked_dup2(original: Any, marks: Marks) -> Any:
    @_in_place_of(original)
    def hooked_dup2(fd: int, fd2: int, inheritable: bool = True) -> Any:
        keep_to_pipe(fd2)
        return original(fd, fd2, inheritable)

    return hooked_dup2


def _hookable() -> list[_Hook]:
    hooks = [_Hook(os, name, _make_hooked) for name in ("writev", "system", "posix_spawn")]
    hooks.append(_Hook(os, "write", _make_hooked_write))
    hooks.append(_Hook(os, "dup2", _make_hooked_dup2))
    # From Python 3.11 on there is a function in `subprocess`; gevent puts None in its place.
    if hasattr(subprocess, "_fork_exec"):
        hooks.append(_Hook(subprocess, "_fork_exec", _make_hooked_fork))
    else:
        module = subprocess._posixsubprocess  # type: ignore[attr-defined]
        hooks.append(_Hook(module, "fork_exec", _make_hooked_fork))
    return [hook for hook in hooks if hook.can_be_hooked]


_hooks = _hookable()
_users = 0
_lock = fork_safe_lock()


def install_hooks() -> None:
    """Have C's ``stdout`` flushed before ``os.write`` and before children start.

    Counted: as many `remove_hooks` take it away again.
    """
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            marks = stdout_marks()
            for hook in _hooks:
                hook.install(marks)


def remove_hooks() -> None:
    """Undo one `install_hooks`."""
    global _users
    with _lock:
        _users -= 1
        if not _users:
            for hook in reversed(_hooks):
                hook.remove()


def _before_fork() -> None:
    # What waits in the buffer now would come out twice, once from each process.
    if waiting:
        flush_python()
    if _users:
        flush_stdout()


at_fork(Stage.FLUSH, before=_before_fork)
