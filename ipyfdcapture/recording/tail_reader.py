"""Read what is new in a recording, without asking whoever writes it."""

from __future__ import annotations

import contextlib
import itertools
import operator
import os
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from ..system.descriptors import PRIVATE, Descriptor
from .format import ENTRY, HEADER, dropped_bytes
from .recording import Recording

READ_BYTES = 1 << 20
#: So many entries of the index are read, and held, at a time.
_ENTRIES = 256


class Chunk(NamedTuple):
    """Bytes of one source, read by the drain at one time."""

    source: int  # its number
    time_ns: int  # since the epoch
    data: bytes


def by_source(chunks: list[Chunk]) -> Iterator[tuple[int, bytes]]:
    """Yield, in order, what each source wrote at a stretch."""
    for source, some in itertools.groupby(chunks, key=operator.attrgetter("source")):
        yield source, b"".join(chunk.data for chunk in some)


class RecordingTail:
    """Reads a recording from a position on, while it grows.

    It reads the files, and never asks the writer. Close it after use.

    Parameters
    ----------
    recording
        What to read.
    position
        Where to begin, in bytes. See `ipyfdcapture.recording.format`.

    Attributes
    ----------
    position
        What is read next.
    skipped
        How many bytes were passed over by `skip`.
    """

    def __init__(self, recording: Recording, position: int = 0) -> None:
        self.recording = recording
        self.position = position
        self.skipped = 0
        self._path = recording.path
        self._files: dict[str, Descriptor] = {}
        self._index_offset = HEADER.size
        # The entry of the chunk in which position lies, and some after it.
        self._entries: deque[tuple[int, int, int]] = deque()
        self._layout = recording.layout
        self._reading = object()
        recording.readers.add(self._reading)

    def read(self, limit: int = READ_BYTES) -> list[Chunk]:
        """Read what is new.

        Parameters
        ----------
        limit
            How many bytes to read at most.

        Returns
        -------
        list of Chunk
            The bytes, in order. Empty if there are none at present, or if the next ones are gone
            (see `oldest`), as all are once the recording is closed.
        """
        end = self.end()
        data = self._read_at(self.position, max(0, min(limit, end - self.position)))
        if self.oldest() > self.position:  # written over before, or while, they were read
            return []
        chunks: list[Chunk] = []
        start, stop = self.position, self.position + len(data)
        while self.position < stop and self._find_entry():
            time_ns, _, source = self._entries[0]
            first = self.position
            self.position = min(stop, self._entries[1][1]) if len(self._entries) > 1 else stop
            chunks.append(Chunk(source, time_ns, data[first - start : self.position - start]))
        return chunks

    def skip(self, position: int) -> int:
        """Go on at ``position``; return how many bytes are left out."""
        count = position - self.position
        self.position = position
        self.skipped += count
        return count

    def oldest(self) -> int:
        """Return the first position, from `position` on, whose bytes are still there."""
        if self.position < self._layout.first_half:
            return self.position
        return self._layout.oldest(self.position, self.end())

    def close(self) -> None:
        """Close the files."""
        self.recording.readers.discard(self._reading)
        for fd in self._files.values():
            fd.close()
        self._files.clear()

    def end(self) -> int:
        """Return how much is recorded."""
        # The sizes first: an entry is written before its bytes.
        data = self._size("data") or 0
        if not self._layout.tail_files:
            return data
        tails = {name: self._size(name) for name in self._layout.tail_files}
        return self._layout.end(data, self._last_start(), tails.get)

    def _last_start(self) -> int | None:
        """Return where the chunk of the last entry starts."""
        index = self._index()
        if index is None:
            return None
        count = (os.fstat(index).st_size - HEADER.size) // ENTRY.size
        if count <= 0:
            return None
        last = os.pread(index, ENTRY.size, HEADER.size + (count - 1) * ENTRY.size)
        return int(ENTRY.unpack(last)[1])

    def _find_entry(self) -> bool:
        """Have the entry of the chunk in which `position` lies come first, and read the one after.

        Tells whether there is one: the index may have gone since the data was opened.
        """
        while True:
            if len(self._entries) < 2:
                self._read_entries()
            if len(self._entries) < 2 or self._entries[1][1] > self.position:
                return bool(self._entries)
            self._entries.popleft()

    def _read_entries(self) -> None:
        """Read on in the index."""
        index = self._index()
        if index is None:
            return
        if self._entries:
            # The last one may have been written anew: it was still open.
            self._entries.pop()
            self._index_offset -= ENTRY.size
        found = os.pread(index, _ENTRIES * ENTRY.size, self._index_offset)
        found = found[: len(found) - len(found) % ENTRY.size]
        self._entries.extend(ENTRY.iter_unpack(found))
        self._index_offset += len(found)

    def _index(self) -> int | None:
        """Return the index's descriptor; begin anew with one that was put in its place."""
        index = self._file("index")
        if index is None:
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.stat(f"{self._path}.index").st_ino != os.fstat(index).st_ino:
                # Rewritten without the entries of what is gone.
                self._files.pop("index").close()
                self._index_offset = HEADER.size
                self._entries.clear()
                index = self._file("index")
        if index is not None and self._index_offset == HEADER.size:
            dropped_bytes(index)  # whether it is an index
        return index

    def _read_at(self, position: int, count: int) -> bytes:
        place = self._layout.place(position)
        file = self._file(place.file)
        return b"" if file is None else os.pread(file, min(count, place.room), place.offset)

    def _size(self, name: str) -> int | None:
        file = self._file(name)
        return None if file is None else os.fstat(file).st_size

    def _file(self, name: str) -> int | None:
        if name not in self._files or not self._files[name].is_ours():
            try:
                flags = os.O_RDONLY | PRIVATE
                self._files[name] = Descriptor(os.open(f"{self._path}.{name}", flags))
            except FileNotFoundError:
                return None
        return self._files[name]


def end_of(recording: Recording) -> int:
    """Return the position at which a recording ends at present."""
    tail = RecordingTail(recording)
    try:
        return tail.end()
    finally:
        tail.close()
