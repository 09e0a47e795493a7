"""The files of a recording mapped into memory: read when they are looked at, not before."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
from typing import overload

from ..system.descriptors import Descriptor, duplicate, read_at
from ..system.finalizers import Finalizer
from .format import ENTRY, ENTRY_WORDS, HEADER, dropped_bytes

EMPTY = memoryview(b"")


class Window:
    """The first ``size`` bytes of an open file, read where they are looked at.

    What a mapping is, in a process that may not map so much (``ulimit -v``), or of a file that
    others may cut: to look at what is gone is an error, where a mapping ends the process (SIGBUS).
    It takes no memory but that of the part that is asked for.
    """

    #: As a memoryview has it: what is mapped.
    obj = None

    def __init__(self, fd: int, size: int) -> None:
        self._fd = Descriptor(duplicate(fd))
        self._size = size
        Finalizer(self, self._fd.close)

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, key: int) -> int: ...

    @overload
    def __getitem__(self, key: slice) -> memoryview: ...

    def __getitem__(self, key: int | slice) -> int | memoryview:
        if isinstance(key, int):
            position = range(self._size)[key]
            return self[position : position + 1][0]
        start, stop, step = key.indices(self._size)
        parts = []
        while start < stop:
            part = read_at(self._fd, stop - start, start)
            if not part:
                raise OSError(errno.ESTALE, "the file was cut while it was read: open it again")
            parts.append(part)
            start += len(part)
        return memoryview(b"".join(parts))[::step]


#: The bytes of a recording.
Content = memoryview | Window

#: Where the address space has a limit, no mapping takes more of it than this part.
_PART_OF_LIMIT = 8


def map_content(fd: int, size: int) -> Content:
    """Map the first ``size`` bytes of an open file, or have them read where that is too much."""
    limit = _address_space()
    if limit is None or size <= limit // _PART_OF_LIMIT:
        with contextlib.suppress(OSError):  # no room, or a file system without mappings
            return map_fd(fd, size)
    return Window(fd, size)


def _address_space() -> int | None:
    """Return how many bytes may be mapped; None: there is no limit, or a sandbox won't say."""
    with contextlib.suppress(ImportError, OSError):
        import resource  # not on Windows

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        return None if soft == resource.RLIM_INFINITY else soft
    return None


def map_content_of(path: str, size: int) -> Content:
    """Do the same for a file by its path."""
    with open(path, "rb") as file:
        return map_content(file.fileno(), size)


def map_file(path: str, size: int) -> memoryview:
    """Map the first ``size`` bytes of a file."""
    with open(path, "rb") as file:
        return map_fd(file.fileno(), size)


def map_fd(fd: int, size: int) -> memoryview:
    """Map the first ``size`` bytes of an open file."""
    if not size:
        return EMPTY
    return memoryview(mmap.mmap(fd, size, access=mmap.ACCESS_READ))


def map_entries(path: str) -> memoryview:
    """Map the index of the recording at ``path``: three numbers for each chunk, see `ENTRY`.

    Raises `FileNotFoundError`, `DamagedIndexError` or `OtherVersionError`.
    """
    with open(path + ".index", "rb") as index:
        dropped_bytes(index.fileno())  # whether it is an index
        size = os.fstat(index.fileno()).st_size
        entries = map_fd(index.fileno(), size - size % ENTRY.size).cast("Q")
    return entries[HEADER.size // ENTRY.size * ENTRY_WORDS :]
