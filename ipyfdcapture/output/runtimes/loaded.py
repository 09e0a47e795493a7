"""C++ iostreams and Fortran units: the buffers of two language runtimes, beside C stdio.

Libraries are never loaded for this: what is not in the process needs no flush. What is there is
found by name among what is loaded; wheels bring copies of libgfortran under names of their own.
"""

from __future__ import annotations

import _thread
import ctypes
import os
import re
from collections.abc import Callable
from typing import Any

from ...system.forking import Stage, at_fork, fork_safe_lock

_libc = ctypes.CDLL(None)
_libc.malloc.restype = ctypes.c_void_p

_STANDARD_NAMES = (
    *("libstdc++.so.6", "libstdc++.6.dylib"),
    *("libgfortran.so.5", "libgfortran.so.4", "libgfortran.5.dylib"),
)
#: A unit that another thread has locked is left for later after this long.
_FORTRAN_S = 0.05
#: Fortran's standard error and standard output.
_UNITS = (0, 6)


def flush_runtimes() -> None:
    """Flush ``std::cout``, ``cerr`` and ``clog``, which untied streams buffer, and `flush_fortran`.

    Not while another thread writes through them: nothing guards an untied stream's buffer.
    """
    runtimes = _loaded.look()
    for library in runtimes.cpp:
        _flush_iostreams_of(library)
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


# -- C++ --------------------------------------------------------------------------------------

# Names and layouts are those of libstdc++ and of the Itanium C++ ABI, which do not change: programs
# were compiled that rely on them.
_STREAMS = {"_ZSt4cout": "stdout", "_ZSt4cerr": "stderr", "_ZSt4clog": "stderr"}
_FLUSH = "_ZNSo5flushEv"  # std::ostream::flush()
_GET_BUFFER = "_ZNKSt9basic_iosIcSt11char_traitsIcEE5rdbufEv"
_SET_BUFFER = "_ZNSt9basic_iosIcSt11char_traitsIcEE5rdbufEPSt15basic_streambufIcS1_E"
_MAKE_LOCALE = "_ZNSt6localeC1Ev"
#: The class of the buffer that an untied stream has, and the virtual functions of a tied one's.
_UNTIED = b"N9__gnu_cxx13stdio_filebufIcSt11char_traitsIcEEE"
_TIED = "_ZTVN9__gnu_cxx18stdio_sync_filebufIcSt11char_traitsIcEEE"
_WORD = ctypes.sizeof(ctypes.c_void_p)


def _constructed(library: ctypes.CDLL, stream: str) -> ctypes.c_void_p | None:
    """Return a stream; None if nothing that includes <iostream> was loaded yet."""
    # An object's first word leads to its virtual functions. It is null before the constructor.
    place = ctypes.c_void_p.in_dll(library, stream)
    return place if place.value else None


def _flush_iostreams_of(library: ctypes.CDLL) -> None:
    for name in _STREAMS:
        stream = _constructed(library, name)
        if stream is not None:
            library[_FLUSH](ctypes.byref(stream))


class _Ties:
    """The streams that were given a tied buffer, and what they had before."""

    def __init__(self) -> None:
        self.users = 0
        self._buffers: dict[str, int] = {}  # never freed: a stream is flushed after Python's end
        self._before: list[tuple[Any, Any, int, int, int]] = []

    def tie(self, library: ctypes.CDLL) -> None:
        """Give tied buffers to the streams that have untied ones."""
        try:
            tied = ctypes.addressof(ctypes.c_char.in_dll(library, _TIED)) + 2 * _WORD
            get, set_ = library[_GET_BUFFER], library[_SET_BUFFER]
            files = {name: _file(name) for name in ("stdout", "stderr")}
        except (ValueError, AttributeError):  # not libstdc++ as we know it
            return
        get.restype = ctypes.c_void_p
        get.argtypes = [ctypes.c_void_p]
        set_.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        for name, file in _STREAMS.items():
            stream = _constructed(library, name)
            if stream is None:
                continue
            # basic_ios is a virtual base: the word before the last two of the table says where.
            offset = ctypes.c_ssize_t.from_address((stream.value or 0) - 3 * _WORD).value
            ios = ctypes.addressof(stream) + offset
            before = get(ios)
            if before and _class_of(before) == _UNTIED:
                library[_FLUSH](ctypes.byref(stream))
                if file not in self._buffers:
                    self._buffers[file] = _make_tied_buffer(library, tied, files[file])
                set_(ios, self._buffers[file])
                self._before.append((get, set_, ios, self._buffers[file], before))

    def undo(self) -> None:
        """Give back the untied ones, unless somebody put something else there."""
        while self._before:
            get, set_, ios, ours, before = self._before.pop()
            if get(ios) == ours:
                set_(ios, before)


def _file(name: str) -> ctypes.c_void_p:
    """Return C's ``stdout`` or ``stderr``. Raises `ValueError` if it has neither of its names."""
    try:
        return ctypes.c_void_p.in_dll(_libc, name)
    except ValueError:
        return ctypes.c_void_p.in_dll(_libc, f"__{name}p")  # macOS and the BSDs


def _class_of(instance: int) -> bytes | None:
    """Return the name of the class of an object that has virtual functions."""
    functions = ctypes.c_void_p.from_address(instance).value or 0
    kind = ctypes.c_void_p.from_address(functions - _WORD).value  # a std::type_info
    return ctypes.c_char_p.from_address(kind + _WORD).value if kind else None


def _make_tied_buffer(library: ctypes.CDLL, functions: int, file: ctypes.c_void_p) -> int:
    """Return a new ``stdio_sync_filebuf`` on a file of C's."""
    words = 10  # functions, six pointers of std::streambuf, its locale, the FILE, one character
    place: int = _libc.malloc(words * _WORD)
    ctypes.memset(place, 0, words * _WORD)
    fields = (ctypes.c_void_p * words).from_address(place)
    fields[0] = functions
    library[_MAKE_LOCALE](ctypes.c_void_p(place + 7 * _WORD))
    fields[8] = file.value
    ctypes.c_int.from_address(place + 9 * _WORD).value = -1  # no character was put back
    return place


_ties = _Ties()


# -- Fortran ----------------------------------------------------------------------------------


class _Fortran:
    """All copies of libgfortran. They are flushed by a thread that may have to wait."""

    def __init__(self, libraries: list[ctypes.CDLL]) -> None:
        self._flushes = [library["_gfortran_flush_i4"] for library in libraries]
        self._idle = _thread.allocate_lock()

    def flush(self) -> None:
        """Flush, so far as that takes no waiting."""
        if not self._flushes or not self._idle.acquire(timeout=_FORTRAN_S):
            return  # the one before still waits
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:  # no thread can be had
            self._run()
        if self._idle.acquire(timeout=_FORTRAN_S):
            self._idle.release()

    def _run(self) -> None:
        for flush in self._flushes:
            for unit in _UNITS:
                flush(ctypes.byref(ctypes.c_int32(unit)))
        self._idle.release()


# -- what is loaded ---------------------------------------------------------------------------


class _Loaded:
    """The runtimes that are in the process by now."""

    def __init__(self) -> None:
        self._seen_size: int | None = None
        #: The libraries of C++, and those of Fortran.
        self.cpp: list[ctypes.CDLL] = []
        self.fortran = _Fortran([])

    def look(self) -> _Loaded:
        """Take note of what was loaded meanwhile; return itself."""
        size = _size_of_code()
        if size == self._seen_size and size is not None:
            return self
        self.cpp, fortran = (
            [library for library in map(_library, _names_of_runtimes(language)) if library]
            for language in ("stdc++", "gfortran")
        )
        self.fortran = _Fortran(fortran)
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
