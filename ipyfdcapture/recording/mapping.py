"""The files of a recording mapped into memory: read when they are looked at, not before."""

from __future__ import annotations

import mmap
import os

from .format import ENTRY, ENTRY_WORDS, HEADER, dropped_bytes

EMPTY = memoryview(b"")


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
