"""C++ iostreams: the buffers of those that are not tied to C stdio.

Names and layouts are those of libstdc++ and of the Itanium C++ ABI, which do not change: programs
were compiled that rely on them.
"""

from __future__ import annotations

import ctypes
from typing import NamedTuple

_libc = ctypes.CDLL(None)
_libc.malloc.restype = ctypes.c_void_p

_STREAMS = {"_ZSt4cout": "stdout", "_ZSt4cerr": "stderr", "_ZSt4clog": "stderr"}
_FLUSH = "_ZNSo5flushEv"  # std::ostream::flush()
_GET_BUFFER = "_ZNKSt9basic_iosIcSt11char_traitsIcEE5rdbufEv"
_SET_BUFFER = "_ZNSt9basic_iosIcSt11char_traitsIcEE5rdbufEPSt15basic_streambufIcS1_E"
_MAKE_LOCALE = "_ZNSt6localeC1Ev"
#: The classes of the buffers that untied and tied streams have, and the latter's virtual functions.
_UNTIED = b"N9__gnu_cxx13stdio_filebufIcSt11char_traitsIcEEE"
_TIED = b"N9__gnu_cxx18stdio_sync_filebufIcSt11char_traitsIcEEE"
_TIED_FUNCTIONS = "_ZTV" + _TIED.decode()
_WORD = ctypes.sizeof(ctypes.c_void_p)


def flush_iostreams(library: ctypes.CDLL) -> None:
    """Flush ``std::cout``, ``cerr`` and ``clog``, but those that are tied.

    A tied stream keeps nothing back: it writes through C's. To flush it would flush C's, and wait
    for as long as another thread has that locked, which may wait for us.
    """
    for name in _STREAMS:
        stream = _Stream.find(library, name)
        if stream is not None and _class_of(stream.buffer) != _TIED:
            stream.flush()


class _Stream(NamedTuple):
    """One of the standard streams of one libstdc++."""

    library: ctypes.CDLL
    place: ctypes.c_void_p
    #: Its ``std::basic_ios``, which knows the buffer.
    ios: int

    @classmethod
    def find(cls, library: ctypes.CDLL, name: str) -> _Stream | None:
        """Return a stream; None if nothing that includes <iostream> was loaded yet."""
        # An object's first word leads to its virtual functions. It is null before the constructor.
        place = ctypes.c_void_p.in_dll(library, name)
        if not place.value:
            return None
        # basic_ios is a virtual base: the word before the last two of the table says where.
        offset = ctypes.c_ssize_t.from_address(place.value - 3 * _WORD).value
        return cls(library, place, ctypes.addressof(place) + offset)

    def flush(self) -> None:
        """Have its buffer written."""
        self.library[_FLUSH](ctypes.byref(self.place))

    @property
    def buffer(self) -> int | None:
        """Its ``std::streambuf``; None if it has none, or this is not libstdc++ as we know it."""
        try:
            get = self.library[_GET_BUFFER]
        except AttributeError:
            return None
        get.restype = ctypes.c_void_p
        get.argtypes = [ctypes.c_void_p]
        buffer: int | None = get(self.ios)
        return buffer

    def set_buffer(self, buffer: int) -> None:
        """Give it another one."""
        set_ = self.library[_SET_BUFFER]
        set_.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        set_(self.ios, buffer)


class Ties:
    """The streams that were given a tied buffer, and what they had before."""

    def __init__(self) -> None:
        self.users = 0
        self._buffers: dict[str, int] = {}  # never freed: a stream is flushed after Python's end
        self._before: list[tuple[_Stream, int, int]] = []

    def tie(self, library: ctypes.CDLL) -> None:
        """Give tied buffers to the streams that have untied ones."""
        try:
            tied = ctypes.addressof(ctypes.c_char.in_dll(library, _TIED_FUNCTIONS)) + 2 * _WORD
            files = {name: _file(name) for name in ("stdout", "stderr")}
        except ValueError:  # not libstdc++ as we know it
            return
        for name, file in _STREAMS.items():
            stream = _Stream.find(library, name)
            if stream is None:
                continue
            before = stream.buffer
            if before and _class_of(before) == _UNTIED:
                stream.flush()
                if file not in self._buffers:
                    self._buffers[file] = _make_tied_buffer(library, tied, files[file])
                stream.set_buffer(self._buffers[file])
                self._before.append((stream, self._buffers[file], before))

    def undo(self) -> None:
        """Give back the untied ones, unless somebody put something else there."""
        while self._before:
            stream, ours, before = self._before.pop()
            if stream.buffer == ours:
                stream.set_buffer(before)


def _file(name: str) -> ctypes.c_void_p:
    """Return C's ``stdout`` or ``stderr``. Raises `ValueError` if it has neither of its names."""
    try:
        return ctypes.c_void_p.in_dll(_libc, name)
    except ValueError:
        return ctypes.c_void_p.in_dll(_libc, f"__{name}p")  # macOS and the BSDs


def _class_of(instance: int | None) -> bytes | None:
    """Return the name of the class of an object that has virtual functions; None if none is."""
    if not instance:
        return None
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
