"""Writing a recording: appending chunks, and resuming where another writer stopped."""

from __future__ import annotations

import contextlib
import errno
import os

from ..system import clock
from ..system.descriptors import open_private
from ..system.pipes import read_some, splice_some, waiting_bytes
from ..system.polling import at_end
from .files import remove_recording
from .format import ENTRY, HEADER, Layout, Place, dropped_bytes, new_header, note_dropped
from .shown import note_shown

#: Read at most this much of one pipe before looking at the others.
CHUNK_BYTES = 1 << 20
#: The same for a terminal, which gives 4 KiB at a time.
_TERMINAL_CHUNK_BYTES = 64 << 10
#: An index longer than this is rewritten without the entries whose bytes are gone.
MAX_STALE_INDEX_BYTES = 1 << 20
#: How the system says that there is no room: to try again by other means would not help.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class RecordingWriter:
    """Appends chunks to one recording, and resumes where another writer stopped.

    Its whole state can be read back from the files, which is how a second pump takes over from
    one that was killed.

    On Linux, bytes go through a pipe that the owner holds too, the ``transit``, and are never in
    the memory of the pump: from the captured pipe to the transit as whole pages, from there to
    the file. So a pump that is killed at any moment leaves each byte in one of the three; and the
    writer is not kept waiting while the file is written, as it is by a splice that leads
    straight from its pipe to a file.
    """

    def __init__(
        self,
        path: str,
        data_fd: int,
        index_fd: int,
        max_bytes: int | None,
        transit: tuple[int, int] | None = None,
    ) -> None:
        self.path = path
        self.dropped, self._errno = dropped_bytes(index_fd)
        self._index_fd = index_fd
        self._files = {"data": data_fd}
        self._layout = Layout(max_bytes)
        self._transit = transit
        self._can_splice = transit is not None
        #: Whether it has moved bytes by splicing, so that none were in memory alone.
        self.has_spliced = False
        #: What was taken last: when (ns since the epoch), of which source, and where it starts.
        self._last = 0, 0, 0
        #: The part of it that could not be stored, and is dropped.
        self._unstored = b""
        self._resume()
        if transit is not None:
            self._take_over(waiting_bytes(transit[0]))

    @property
    def dropped_why(self) -> str | None:
        """The system's reason for what was dropped."""
        return os.strerror(self._errno) if self._errno else None

    def _resume(self) -> None:
        index_size = os.fstat(self._index_fd).st_size
        self._index_end = index_size - index_size % ENTRY.size
        self._index_floor = self._index_end
        last_start = None
        if self._index_end > HEADER.size:
            time_ns, last_start, source = self._entry(self._index_end - ENTRY.size)
            self._last = time_ns, source, last_start
        data = os.fstat(self._files["data"]).st_size
        self.end = self._layout.end(data, last_start, self._tail_size)

    def _take_over(self, left: int) -> None:
        """Store what a pump that was killed had in transit: it belongs to the last entry."""
        assert self._transit is not None
        if left and self.dropped:
            os.read(self._transit[0], left)  # it was about to be
        elif left:
            file, place = self._next_place()
            self.end += self._store(left, file, place.offset)

    def _tail_size(self, name: str) -> int | None:
        try:
            return os.fstat(self._file(name)).st_size
        except OSError:
            return None

    def _file(self, name: str) -> int:
        if name not in self._files:
            self._files[name] = open_private(f"{self.path}.{name}", os.O_RDWR)
        return self._files[name]

    def _next_place(self) -> tuple[int, Place]:
        """Return the open file that takes the next byte, and where in it."""
        place = self._layout.place(self.end)
        file = self._file(place.file)
        if place.begins_anew:
            os.ftruncate(file, 0)
            self._drop_stale_entries(self._layout.start_of(place.turn - 1))
        return file, place

    def take(self, pipe: int, source: int, is_terminal: bool = False) -> int | None:
        """Move one chunk from ``pipe``, which may be a terminal.

        Returns the bytes moved, 0 at the end of the file, None if nothing is there at present.
        If the recording cannot grow, the bytes are read and dropped all the same: a full disk
        must not stop the writer. What was kept by then is whole; nothing is added to it later,
        across a hole that nobody could see.
        """
        self._unstored = b""
        self._last = clock.time_ns(), source, self.end
        if self.dropped:
            return self._take_and_drop(pipe)
        try:
            file, place = self._next_place()
            self._write_entry(source, self._last[0])
            room = min(place.room, _TERMINAL_CHUNK_BYTES if is_terminal else CHUNK_BYTES)
            taken, stored = self._move(pipe, file, place.offset, room, is_terminal)
        except BlockingIOError:
            return None
        except OSError as error:
            return self._take_and_drop(pipe, error)
        if stored:
            self._index_end += ENTRY.size
            self.end += stored
        return taken

    def _write_entry(self, source: int, time_ns: int | None = None) -> None:
        entry = ENTRY.pack(time_ns or clock.time_ns(), self.end, source)
        if os.pwrite(self._index_fd, entry, self._index_end) != ENTRY.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _move(
        self, pipe: int, file: int, offset: int, room: int, is_terminal: bool
    ) -> tuple[int, int]:
        """Return how many bytes were taken, and how many of them stored."""
        if self._transit is not None and self._can_splice:
            try:
                taken = splice_some(pipe, self._transit[1], room)
            except BlockingIOError:
                raise
            except OSError:  # not a pipe, or a sandbox that refuses what it does not list
                self._can_splice = False
            else:
                if is_terminal:
                    taken += self._splice_more(pipe, room - taken)
                return taken, self._store(taken, file, offset)
        chunk = read_some(pipe, room)
        return len(chunk), self._write(chunk, file, offset)

    def _splice_more(self, terminal: int, room: int) -> int:
        """Move into the transit what comes after the first 4 KiB; return how much."""
        assert self._transit is not None
        moved = 0
        with contextlib.suppress(OSError):  # no more at present: the next chunk will tell why
            while moved < room and (some := splice_some(terminal, self._transit[1], room - moved)):
                moved += some
        return moved

    def _store(self, count: int, file: int, offset: int) -> int:
        """Move so many bytes from the transit to a file; return how many could be stored."""
        assert self._transit is not None
        stored = 0
        while stored < count and self._can_splice:
            try:
                stored += os.splice(
                    self._transit[0], file, count - stored, offset_dst=offset + stored
                )
                self.has_spliced = True
            except OSError as error:
                if error.errno in _NO_ROOM:
                    self._drop(count - stored, error)  # noted before it is done, as below
                    self._unstored = os.read(self._transit[0], count - stored)
                    return stored
                self._can_splice = self.has_spliced = (
                    False  # not on this file system, or not in this sandbox
                )
        if stored < count:
            stored += self._write(os.read(self._transit[0], count - stored), file, offset + stored)
        return stored

    def _write(self, chunk: bytes, file: int, offset: int) -> int:
        written = 0
        while written < len(chunk):
            try:
                written += os.pwrite(file, chunk[written:], offset + written)
            except OSError as error:
                self._drop(len(chunk) - written, error)
                self._unstored = chunk[written:]
                break
        return written

    def copy_to(self, other: RecordingWriter, source: int) -> None:
        """Append what was taken last to another recording, as of its ``source``."""
        time_ns, _, start = self._last
        other.append(self._read_back(start), source, time_ns)
        other.append(self._unstored, source, time_ns)

    def complete_copy(self, source: int, other: RecordingWriter, its: int, since: int) -> None:
        """Do what is missing of `copy_to`, if the writer before this one was killed amid it.

        Parameters
        ----------
        source
            Whose chunks are copied.
        other, its
            The recording that they are copied to, and the number of the source there.
        since
            Since when (ns since the epoch) they are.
        """
        time_ns, last_source, start = self._last
        if last_source != source or time_ns < since or start == self.end:
            return
        copied = other.copied(its, time_ns)
        if copied is not None:
            other.append(self._read_back(start + copied), its, time_ns)

    def copied(self, source: int, time_ns: int) -> int | None:
        """Return how much of a chunk was copied; None if something was recorded after that."""
        length, stop, offset = 0, self.end, self._index_end
        while offset > HEADER.size:
            offset -= ENTRY.size
            when, start, number = self._entry(offset)
            if when > time_ns:
                return None
            if when < time_ns:
                break
            if number == source:
                length += stop - start
            stop = start
        return length

    def _entry(self, offset: int) -> tuple[int, int, int]:
        return ENTRY.unpack(os.pread(self._index_fd, ENTRY.size, offset))

    def _read_back(self, position: int) -> bytes:
        """Return what is stored from a position on, which is of the last chunk."""
        if position >= self.end:
            return b""
        place = self._layout.place(position)
        return os.pread(self._file(place.file), self.end - position, place.offset)

    def note_shown(self, source: int, begins: bool) -> None:
        """Note that what a source writes from now on is shown elsewhere, or no longer."""
        note_shown(self.path, source, self.end, begins)

    def append(self, chunk: bytes | memoryview, source: int, time_ns: int | None = None) -> None:
        """Append bytes that are already in memory, from now or from ``time_ns``."""
        view = memoryview(chunk)
        while view:
            if self.dropped:
                self._drop(len(view), None)
                return
            try:
                file, place = self._next_place()
                self._write_entry(source, time_ns)
                written = os.pwrite(file, view[: place.room], place.offset)
            except OSError as error:
                self._drop(len(view), error)
                return
            self._index_end += ENTRY.size
            self.end += written
            view = view[written:]

    def _take_and_drop(self, pipe: int, error: OSError | None = None) -> int | None:
        # Noted before it is done: a pump that is killed in between over-reports, never
        # under-reports.
        count = min(waiting_bytes(pipe), CHUNK_BYTES)
        if not count and not at_end(pipe):
            return None
        self._drop(count, error)
        self._unstored = read_some(pipe, count)
        return len(self._unstored)

    def _drop(self, count: int, error: OSError | None) -> None:
        if not count:
            return
        self.dropped += count
        self._errno = self._errno or (error.errno or 0 if error else 0)
        with contextlib.suppress(OSError):
            note_dropped(self._index_fd, self.dropped, self._errno)

    def _drop_stale_entries(self, kept_from: int) -> None:
        """Rewrite the index without the chunks whose bytes the tail files no longer hold."""
        if self._index_end - self._index_floor < MAX_STALE_INDEX_BYTES:
            return
        with contextlib.suppress(OSError):
            old = os.pread(self._index_fd, self._index_end - HEADER.size, HEADER.size)
            entries = list(ENTRY.iter_unpack(old))
            kept = bytearray(new_header(self.dropped, self._errno))
            for entry, following in zip(entries, [*entries[1:], (0, self.end, 0)], strict=True):
                if entry[1] < self._layout.first_half or following[1] > kept_from:
                    kept += ENTRY.pack(*entry)
            new_path = f"{self.path}.index.new"
            new = open_private(new_path, os.O_RDWR | os.O_TRUNC)
            try:
                if os.pwrite(new, kept, 0) != len(kept):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.rename(new_path, f"{self.path}.index")
                os.dup2(new, self._index_fd, inheritable=False)
            finally:
                os.close(new)
            self._index_end = self._index_floor = len(kept)

    def close(self) -> None:
        """Close the files. Those that were made since the log was removed go, too."""
        for file in (*self._files.values(), self._index_fd, *(self._transit or ())):
            os.close(file)
        self._files = {}
        if not os.path.lexists(self.path + ".data"):
            remove_recording(self.path)
