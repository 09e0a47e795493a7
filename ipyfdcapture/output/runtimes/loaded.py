"""The language runtimes in this process whose buffers are flushed, beside C stdio.

C++ iostreams (`.iostreams`) and Fortran units (`.fortran`).

Libraries are never loaded for this: what is not in the process needs no flush. What is there is
found by name among what is loaded; wheels bring copies of libgfortran under names of their own.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable
from typing import Any

from ...system.forking import Stage, at_fork, fork_safe_lock
from .fortran import Fortran
from .iostreams import Ties, flush_iostreams

_libc = ctypes.CDLL(None)

_STANDARD_NAMES = (
    *("libstdc++.so.6", "libstdc++.6.dylib"),
    *("libgfortran.so.5", "libgfortran.so.4", "libgfortran.5.dylib"),
)


def flush_runtimes() -> None:
    """Flush ``std::cout``, ``cerr`` and ``clog``, which untied streams buffer, and `flush_fortran`.

    Not while another thread writes through them: nothing guards an untied stream's buffer.
    """
    runtimes = _loaded.look()
    for library in runtimes.cpp:
        flush_iostreams(library)
    runtimes.fortran.flush()


def flush_fortran() -> None:
    """Flush Fortran's standard output and error, unless another thread has one of them locked.

    ``WRITE (*, *) f(x)`` locks its unit for as long as ``f`` takes, and there is no asking.
    """
    _loaded.look().fortran.flush()


def tie_iostreams() -> Callable[[], None]:
    """Have untied iostreams write through C stdio, whose lock lets it be flushed at any time.

    Returns what undoes it. What unties itself meanwhile (``std::ios::sync_with_stdio(false)``)
    stays so, and is flushed with `flush_runtimes` alone.
    """
    with _lock:
        _ties.users += 1
        for library in _loaded.look().cpp:
            _ties.tie(library)
    return _untie_iostreams


def _untie_iostreams() -> None:
    with _lock:
        _ties.users -= 1
        if not _ties.users:
            _ties.undo()


_lock = fork_safe_lock()
_ties = Ties()


# -- what is loaded ---------------------------------------------------------------------------


class _Loaded:
    """The runtimes that are in the process by now."""

    def __init__(self) -> None:
        self._seen_size: int | None = None
        #: The libraries of C++, and those of Fortran.
        self.cpp: list[ctypes.CDLL] = []
        self.fortran = Fortran([])

    def look(self) -> _Loaded:
        """Take note of what was loaded meanwhile; return itself."""
        size = _size_of_code()
        if size == self._seen_size and size is not None:
            return self
        self.cpp, fortran = (
            [library for library in map(_library, _names_of_runtimes(language)) if library]
            for language in ("stdc++", "gfortran")
        )
        self.fortran = Fortran(fortran)
        self._seen_size = size
        return self


# Not dl_iterate_phdr(3): it calls back under the lock of the dynamic linker. Where Python then
# switches threads, the next one that loads a library, or asks the same, waits for that lock with
# the GIL in its hand, for ever.


def _size_of_code() -> int | None:
    """Return how much code of libraries is loaded; None if nobody knows.

    It changes with each library that is loaded, and spares the search for each runtime's file at
    each flush. On Linux it is in KiB, on macOS a number of libraries.
    """
    try:
        fd = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return _image_count() if _image_count else None
    try:
        found = _CODE.search(os.read(fd, 1 << 14))
    finally:
        os.close(fd)
    return int(found[1]) if found else None


_CODE = re.compile(rb"^VmLib:\s*(\d+) kB", re.MULTILINE)


def _names_of_runtimes(language: str) -> list[str]:
    """Return the paths of the libraries that are loaded, or if nobody can tell, usual names."""
    mapped = _mapped_files()
    if not mapped:
        return [name for name in _STANDARD_NAMES if language in name]
    pattern = rb"/.*/lib" + re.escape(language.encode()) + rb"[-.][^/\n]*$"
    paths = re.findall(pattern, mapped, re.MULTILINE)
    return [os.fsdecode(path) for path in dict.fromkeys(paths)]


def _mapped_files() -> bytes:
    """Return lines that end with the paths of what is loaded; nothing if nobody can tell."""
    try:
        with open("/proc/self/maps", "rb") as maps:
            return maps.read()
    except OSError:
        count = _image_count() if _image_count else 0
        return b"\n".join(_image_name(number) or b"" for number in range(count))


# macOS's list of what is loaded. Not with the GIL: its lock is held while a library is loaded, and
# what that runs may wait for the GIL. The last may be gone by the time that its name is asked for.
_image_count: Any = getattr(_libc, "_dyld_image_count", None)
_image_name: Any = getattr(_libc, "_dyld_get_image_name", None)
if _image_name is not None:
    _image_name.restype = ctypes.c_char_p


def _library(name: str) -> ctypes.CDLL | None:
    """Return a library that is in the process already, None otherwise."""
    try:
        return ctypes.CDLL(name, mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
    except (OSError, AttributeError):
        return None


_loaded = _Loaded()


def _after_fork_in_child() -> None:
    global _loaded
    _loaded = _Loaded()  # a flush that waits is the parent's


at_fork(Stage.STATE, in_child=_after_fork_in_child)
