"""The format of a recording: what its files hold, and the arithmetic of where a byte lies.

A *recording* is a pair of append-only files:

- ``NAME.data``: the bytes, in the order in which they were read;
- ``NAME.index``: one `HEADER`, then one `ENTRY` for each chunk: when it was read (ns since the
  epoch), where it starts, and which source it came from. A chunk runs to the start of the next,
  the last one to the end of the data. An entry is written *before* its bytes, so every byte that
  reached the data file has a time and a source, however suddenly the writer died.

With ``max_bytes``, the data file holds the first half. What follows goes to two tail files,
``NAME.tail0`` and ``NAME.tail1``, written in turn: when one is full, the other is emptied and
written next. At any time the two hold at least the last half, in bounded space. `Layout` is the
arithmetic of that. A *position* counts all bytes recorded before it, those that are gone included.

A full disk ends a recording: what comes is read and dropped. How much, and why, stands in the
header, which is written when the file is made: updating it in place takes no room.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable
from typing import NamedTuple

from ..system.descriptors import PRIVATE, read_at

#: What the index starts with, the version of the format, how many bytes were dropped, and the
#: system's error number. As long as an entry, so that entries can be read as one array.
HEADER = struct.Struct("<6sHQQ")
#: Time (ns since the epoch), start of the chunk (position), number of its source.
ENTRY = struct.Struct("<QQQ")
ENTRY_WORDS = ENTRY.size // 8

_MAGIC = b"fdrec\0"
_VERSION = 1
_DROPPED = struct.Struct("<QQ")

#: A tail file is at least this long, so that a tiny limit does not mean tiny reads.
MIN_TAIL_BYTES = 1 << 20


class DamagedIndexError(OSError):
    """An index does not begin as an index does: its entries mean nothing."""


class OtherVersionError(OSError):
    """An index was written by a version of this program that writes another format."""


def new_header(dropped: int = 0, number: int = 0) -> bytes:
    """Return the header of an index, for so many dropped bytes and the system's error number."""
    return HEADER.pack(_MAGIC, _VERSION, dropped, number)


def note_dropped(index: int, dropped: int, number: int) -> None:
    """Update the header of an open index. It takes no room on a full disk."""
    os.pwrite(index, _DROPPED.pack(dropped, number), HEADER.size - _DROPPED.size)


def dropped_bytes(index: int | str) -> tuple[int, int]:
    """Read from the header of an index what was dropped because the disk was full.

    Parameters
    ----------
    index
        A descriptor, or a path.

    Returns
    -------
    tuple
        The number of bytes, and the system's error number (0: none).

    Raises
    ------
    DamagedIndexError, OtherVersionError
        If it has no header of this format.
    """
    if isinstance(index, str):
        fd = os.open(index, os.O_RDONLY | PRIVATE)
        try:
            return dropped_bytes(fd)
        finally:
            os.close(fd)
    header = read_at(index, HEADER.size, 0)
    if len(header) < HEADER.size:
        raise DamagedIndexError("its index is cut short")
    magic, version, dropped, number = HEADER.unpack(header)
    if magic != _MAGIC:
        raise DamagedIndexError("its index does not begin as one")
    if version != _VERSION:
        raise OtherVersionError(
            f"another version of ipyfdcapture wrote it (format {version}; this one reads "
            f"format {_VERSION})"
        )
    return dropped, number


class Place(NamedTuple):
    """Where a position lies."""

    #: The file: ``data``, ``tail0`` or ``tail1``.
    file: str
    #: Where in the file, in bytes.
    offset: int
    #: How many bytes from there on lie in the same file.
    room: int
    #: How often the tail files were written before; -1 in the data file. From 2 on, the file
    #: must be emptied before its first byte is written.
    turn: int

    @property
    def begins_anew(self) -> bool:
        """Whether the file holds older bytes, which have to go before this position is written."""
        return self.turn >= 2 and self.offset == 0


class Layout:
    """Where the bytes of a recording lie.

    Parameters
    ----------
    max_bytes
        The limit. None: all bytes are in the data file.
    """

    def __init__(self, max_bytes: int | None) -> None:
        self.max_bytes = sys.maxsize if max_bytes is None else max_bytes
        #: The names of the tail files.
        self.tail_files = () if max_bytes is None else ("tail0", "tail1")
        #: How many bytes of the beginning, and of the end, are kept.
        self.first_half = sys.maxsize
        self.last_half = 0
        self._tail_file = MIN_TAIL_BYTES
        if max_bytes is not None:
            self.last_half = max_bytes // 2
            self.first_half = max_bytes - self.last_half
            self._tail_file = max(self.last_half, MIN_TAIL_BYTES)

    def place(self, position: int) -> Place:
        """Return where a position lies."""
        if position < self.first_half:
            return Place("data", position, self.first_half - position, -1)
        turn, offset = divmod(position - self.first_half, self._tail_file)
        return Place(f"tail{turn % 2}", offset, self._tail_file - offset, turn)

    def end(self, data: int, last_start: int | None, size: Callable[[str], int | None]) -> int:
        """Return where a recording ends.

        Parameters
        ----------
        data
            The size of the data file, in bytes. It, and `size`, are to be looked up before the
            entries are read: an entry is written before its bytes.
        last_start
            Where the last chunk starts, by the index. None: there is no entry.
        size
            Returns the size of a tail file by its name; None if there is no such file.
        """
        if last_start is None or last_start < self.first_half:
            return data
        start = self.place(last_start)
        written = size(start.file)
        if written is None:
            return data
        # Longer than it ever is: damage.
        return max(last_start, last_start - start.offset + min(written, self._tail_file))

    def oldest(self, position: int, end: int) -> int:
        """Return the first position, from ``position`` on, that is still there.

        Parameters
        ----------
        position
            Where to begin.
        end
            Where the recording ends.
        """
        if position < self.first_half or end <= self.first_half:
            return position
        newest = self.place(end - 1)
        return max(position, self.start_of(newest.turn - 1))

    def start_of(self, turn: int) -> int:
        """Return the position at which the tail files are written for the nth time."""
        return self.first_half + max(turn, 0) * self._tail_file

    def tail_start(self, end: int) -> int:
        """Return where the last half begins, if the recording ends at ``end``."""
        return max(self.first_half, end - self.last_half)

    def over_limit(self, end: int) -> int:
        """Return how many bytes the limit costs, if the recording ends at ``end``."""
        return max(0, end - self.max_bytes)
