"""The recording: what the drain wrote, as files, and how to read it.

`format` describes the format, `writer` writes it. This module makes new recordings,
reads them (`Recording.snapshot`), and knows nothing of pipes or of who writes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from ..system import clock
from ..system.descriptors import PRIVATE, open_private
from ..system.finalizers import Finalizer, run_pending
from ..system.forking import fork_safe_lock
from ..system.interrupts import deferred_interrupts
from ..system.pipes import out_of_the_way
from .files import append_metadata, remove_recording, write_all
from .format import ENTRY_WORDS, Layout, new_header
from .halves import join, replace_parts
from .mapping import Content, map_content_of, map_entries
from .metadata import Metadata, added_sources
from .salvage import check_for_holes, read_dropped, read_metadata, sound_entries

#: How often to look whether a drain that is late has recorded all.
_LOOK_S = 0.02
_NAME_BYTES = 8
_NEW_FILE = os.O_RDWR | os.O_EXCL


@dataclass(frozen=True)
class Snapshot:
    """A recording as it was at one moment: nothing in it changes afterwards.

    It stays readable after the recording has grown or gone.
    """

    #: The bytes, in the order in which they were read.
    data: Content
    #: When each chunk was read: ns since the epoch. ``times[i]``, ``starts[i]`` and
    #: ``source_numbers[i]`` belong together.
    times: memoryview
    #: Where each chunk starts in ``data``. It runs to the start of the next, the last to the end.
    starts: memoryview
    #: The source of each chunk, as a position in ``sources``.
    source_numbers: memoryview
    #: The names of the sources.
    sources: tuple[str, ...]
    #: The places in ``data`` where bytes are missing, ascending: because of ``max_bytes``, or of a
    #: fault. Each is the start of a chunk, or the end.
    gaps: tuple[int, ...] = ()
    #: How many bytes are missing between the halves that ``max_bytes`` leaves.
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.data)


@dataclass
class State:
    """What a drain tells of a recording when asked to bring it up to date."""

    #: Bytes that were not kept, and the system's reason (None: only the limit).
    dropped: int = 0
    dropped_why: str | None = None
    #: Whether a writer still lives.
    writing: bool = False


class Writing(Protocol):
    """The side of a recording that still writes it, as the reading side sees it."""

    @property
    def is_done(self) -> bool:
        """Whether all is recorded and nobody can write any more, as known without asking."""
        return False

    def update(self) -> State:
        """Have everything that was written so far recorded; tell how things stand."""

    def wait(self, timeout: float | None) -> bool:
        """Wait (s) until all writers are gone; tell whether they are."""

    def release(self) -> None:
        """Keep nothing more of what living writers write; do not disturb them."""


class Recording:
    """One recording on disk.

    The files are private to the user, and go when the recording is closed or forgotten.

    Attributes
    ----------
    path
        What the names of all its files start with.
    metadata
        What is known beside the bytes. Methods of this object replace it.
    writing
        The side that still writes, asked before each look; None once nothing is written any
        more.
    """

    def __init__(self, path: str, metadata: Metadata) -> None:
        self.path = path
        self.metadata = metadata
        self.state = State()
        self.writing: Writing | None = None
        self._latest: Callable[[], Snapshot | None] = _no_snapshot
        #: Whether another process made it, and may have been cut short.
        self._was_left = False
        #: Who reads the parts of a limited recording: these stay apart for so long.
        self.readers: set[object] = set()
        #: Whether the content was let go of.
        self.closed = False
        self._delete = Finalizer(self, _delete_files, path, os.getpid())

    # -- making -------------------------------------------------------------------------------

    @classmethod
    def create(cls, directory: str, metadata: Metadata) -> tuple[Recording, int, int]:
        """Make an empty recording in ``directory``.

        Returns the recording and the descriptors of its data and index, which the caller owns.
        Raises `OSError`, with nothing left behind, if that cannot be done.
        """
        run_pending()
        # A name of its own wherever it is moved to. Not by `tempfile`, which takes as long as to
        # make the file: nobody else may write here.
        path = os.path.join(directory, os.urandom(_NAME_BYTES).hex())
        opened: list[int] = []
        try:
            for suffix in (".data", ".index", ".json"):
                opened.append(out_of_the_way(open_private(path + suffix, _NEW_FILE)))
            write_all(opened[1], new_header())
            write_all(opened[2], metadata.to_line())
        except BaseException:
            _delete_files(path, os.getpid())
            for fd in opened:
                os.close(fd)
            raise
        os.close(opened[2])
        return cls(path, metadata), opened[0], opened[1]

    @classmethod
    def open(cls, path: str) -> Recording:
        """Open a recording that another process left. `close` deletes it.

        What a machine without power left of it is read as far as it goes: metadata that was lost
        is made up from the other files (``metadata.reconstructed``).

        Raises
        ------
        OSError
            If the files cannot be read, or another version wrote them in another format.
        """
        metadata = read_metadata(path)  # what may fail comes first: an object deletes its files
        state = State(*read_dropped(path))
        recording = cls(path, metadata)
        recording.state = state
        recording._was_left = True
        return recording

    def add_sources(self, names: list[str]) -> None:
        """Add sources, on disk too, so that a crash keeps their names.

        These alone are written, or thousands of children would take for ever. A full disk is no
        reason to fail.
        """
        first = len(self.metadata.sources)
        self.metadata = replace(self.metadata, sources=(*self.metadata.sources, *names))
        with contextlib.suppress(OSError):
            append_metadata(self.path + ".json", added_sources(names, first))

    def reopen(self) -> tuple[int, int]:
        """Return descriptors of its data and its index, to write on after it was complete.

        The caller owns them. Raises `OSError` if nothing can be added any more: it was closed, or
        what its limit left was put together for good.
        """
        if self.closed or self._is_joined:
            raise OSError(errno.ENOENT, "nothing can be added to the log any more")
        data = out_of_the_way(os.open(self.path + ".data", os.O_RDWR | PRIVATE))
        try:
            index = out_of_the_way(os.open(self.path + ".index", os.O_RDWR | PRIVATE))
        except BaseException:
            os.close(data)
            raise
        self._latest = _no_snapshot
        return data, index

    def finish(self, stopped: int, *, failed: bool = False, interrupted: bool = False) -> None:
        """Note that the capture ended in peace: there is nothing to recover after a crash.

        No effect if it has ended before.

        Parameters
        ----------
        stopped
            When, in ns since the epoch.
        failed
            Whether what was captured ended in an error.
        interrupted
            Whether that error was an interrupt.
        """
        if self.metadata.stopped is not None:
            return
        self.metadata = replace(
            self.metadata, stopped=stopped, failed=failed, interrupted=interrupted
        )
        with contextlib.suppress(OSError):
            os.unlink(self.path + ".json")

    # -- reading --------------------------------------------------------------------------------

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in the order of their numbers."""
        return self.metadata.sources

    @property
    def is_complete(self) -> bool:
        """Whether all is in the files and nobody can write any more, as known without asking.

        How much was dropped may still have to be asked for.
        """
        writing = self.writing
        return writing is None or writing.is_done

    def update(self) -> State:
        """Have everything that was written so far recorded, and return the state."""
        writing = self.writing
        if writing is not None:
            self.state = writing.update()
            if not self.state.writing and self.writing is writing:  # else: it was reopened since
                self.writing = None
        return self.state

    def wait(self, timeout: float | None = None) -> bool:
        """Wait (s; None: as long as it takes) until all writers are gone and all is recorded.

        Returns whether that is so.
        """
        try:
            deadline = None if timeout is None else clock.monotonic() + timeout
        except TypeError:
            message = f"a timeout is a number of seconds or None, not {timeout!r}"
            raise TypeError(message) from None
        if self.writing is not None and not self.writing.wait(timeout):
            return False
        while self.update().writing:  # who records it is late: no look waits for long
            if deadline is not None and clock.monotonic() >= deadline:
                return False
            clock.sleep(_LOOK_S)
        return True

    def snapshot(self) -> Snapshot:
        """Return everything that was written so far. Its data is mapped, not read.

        A mapping holds a descriptor: keep a snapshot for the time of one operation only. While
        one is in use, a complete recording hands out the same again.
        """
        self.update()
        snapshot = self._latest()
        if snapshot is None:
            with self._kept_apart():
                snapshot = self._read()
            if self.writing is None:
                self._latest = weakref.ref(snapshot)
        return snapshot

    def nbytes(self) -> int:
        """Return how long the data of a snapshot would be, without the work of making one."""
        if not self.is_complete:
            self.update()
        self._check_open()
        with self._kept_apart():
            if self._is_joined or (self.metadata.max_bytes is None and not self._was_left):
                return self._data_bytes()
            data = self._data_bytes()
            end = self._end(data, self._entries())
            if data < self.layout.first_half < end:
                raise EOFError("the recording is shorter than its index says")
            return end - self.layout.over_limit(end)

    def end(self, count: int) -> bytes:
        """Return the last ``count`` bytes, without the work of a snapshot."""
        self.update()
        self._check_open()
        with self._kept_apart():
            data = self._data_bytes()
            stop = data if self._is_joined else self._end(data, self._entries())
            layout = self.layout
            position = layout.oldest(max(0, stop - count), stop)
            found = b""
            while position < stop:
                place = layout.place(position)
                with open(f"{self.path}.{place.file}", "rb") as file:
                    file.seek(place.offset)
                    part = file.read(min(place.room, stop - position))
                if not part:
                    break
                found += part
                position += len(part)
            return found

    @property
    def why_gone(self) -> str | None:
        """Why there is nothing to read any more; None if there is."""
        if self.closed:
            return "closed"
        return None if os.path.exists(self.path + ".data") else "somebody has removed its files"

    @property
    def dropped(self) -> int:
        """How many bytes were not kept, because of the limit or of a fault."""
        with self._kept_apart():
            at_gap = self.metadata.dropped_at_gap or 0
            before = self.metadata.dropped_before
            return self.state.dropped + before + at_gap + self._over_limit()

    @property
    def dropped_why(self) -> str | None:
        """The system's reason for it, if there is one beside the limit."""
        return self.state.dropped_why or self.metadata.dropped_why

    def note_loss(self, snapshot: Snapshot, metadata: Metadata) -> Metadata:
        """Tell the metadata of a recording that begins with a snapshot of this one what is missing.

        Parameters
        ----------
        snapshot
            What the other recording begins with.
        metadata
            Its metadata so far.
        """
        # A fault ends a recording: what it cost would have come after all that was kept.
        at_end = (len(snapshot),) if self.state.dropped else ()
        return replace(
            metadata,
            gaps=(*snapshot.gaps, *at_end),
            dropped_before=self.dropped,
            dropped_why=self.dropped_why,
        )

    @property
    def _is_joined(self) -> bool:
        """Whether the halves that a limit leaves were put into one file for good."""
        return self.metadata.dropped_at_gap is not None

    def _over_limit(self) -> int:
        if self.metadata.max_bytes is None or self.closed or self._is_joined:
            return 0
        return self.layout.over_limit(self._end(self._data_bytes(), self._entries()))

    def _kept_apart(self) -> contextlib.AbstractContextManager[object]:
        """Keep others from putting the halves together meanwhile, if there may be two."""
        return contextlib.nullcontext() if self.metadata.max_bytes is None else _joining

    @property
    def layout(self) -> Layout:
        """Where its bytes lie at present."""
        return Layout(None if self._is_joined else self.metadata.max_bytes)

    def _data_bytes(self) -> int:
        try:
            return os.stat(self.path + ".data").st_size
        except FileNotFoundError:  # as who empties a temporary directory does
            message = "somebody has removed the files of the log: its content is gone"
            raise FileNotFoundError(errno.ENOENT, message, self.path) from None

    @property
    def data_path(self) -> str | None:
        """The file that holds its bytes from the first one on; None if there is none."""
        return self.path + ".data"

    def _map_data(self, size: int) -> Content:
        return map_content_of(self.path + ".data", size)

    def _end(self, data: int, entries: memoryview) -> int:
        """Return how many bytes were recorded in all, those that are gone included."""
        last_start = entries[1 - ENTRY_WORDS] if len(entries) else None
        return self.layout.end(data, last_start, self._size)

    def _size(self, name: str) -> int | None:
        try:
            return os.stat(f"{self.path}.{name}").st_size
        except FileNotFoundError:
            return None

    def _entries(self) -> memoryview:
        if self._was_left:
            return sound_entries(self.path, len(self.sources))
        return map_entries(self.path)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the captured log was closed: its content is gone")

    def _read(self) -> Snapshot:
        self._check_open()
        # The size first: the entry of a byte is written before it, and must be among them.
        data = self._data_bytes()
        entries = self._entries()
        if self._is_joined:
            left_out = self.metadata.dropped_at_gap or 0
            return self._build(self._map_data(self._data_bytes()), entries, left_out=left_out)
        end = self._end(data, entries)
        if end > self.layout.first_half:
            return self._join_halves(entries, end)
        return self._build(self._map_data(end), entries)

    def _join_halves(self, entries: memoryview, end: int) -> Snapshot:
        """Put the first half and the last into one file.

        Once nothing is written any more, and nobody reads the parts, the result takes their place.
        """
        if self._was_left:
            check_for_holes(self.path)
        what = (self.path, self.layout, entries, self.metadata.gaps, end)
        with contextlib.ExitStack() as files:
            try:
                joined = join(*what, files)
                if self.writing is None and not self.readers:
                    with deferred_interrupts():
                        replace_parts(self.path, joined)
                        self.metadata = replace(
                            self.metadata, gaps=joined.gaps, dropped_at_gap=joined.dropped_at_gap
                        )
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                joined = join(*what, files, in_memory=True)
        entries = memoryview(joined.entries.tobytes()).cast("Q")
        return self._build(joined.content, entries, joined.gaps, joined.dropped_at_gap)

    def _build(
        self,
        data: Content,
        entries: memoryview,
        gaps: tuple[int, ...] | None = None,
        left_out: int = 0,
    ) -> Snapshot:
        # An entry at the end may have no bytes yet: the drain writes it before them.
        count = len(entries) // ENTRY_WORDS
        while count and entries[ENTRY_WORDS * count - 2] >= len(data):
            count -= 1
        entries = entries[: ENTRY_WORDS * count]
        return Snapshot(
            data,
            entries[0::ENTRY_WORDS],
            entries[1::ENTRY_WORDS],
            entries[2::ENTRY_WORDS],
            self.sources,
            self.metadata.gaps if gaps is None else gaps,
            left_out,
        )

    # -- letting go -----------------------------------------------------------------------------

    def keep_files(self) -> None:
        """Leave the files where they are when this object goes."""
        self._delete.detach()

    def close(self) -> None:
        """Delete the files. A snapshot that was taken stays readable; a writer lives on."""
        self._latest = _no_snapshot
        if self.writing is not None:
            self.writing.release()
            self.writing = None
            self.state = replace(self.state, writing=False)
        self.closed = True
        self._delete()


#: Held while a limited recording is read: what puts its halves together deletes the parts.
_joining = fork_safe_lock()
_FULL = (errno.ENOSPC, errno.EDQUOT)


def _no_snapshot() -> Snapshot | None:
    return None


def _delete_files(path: str, owner: int) -> None:
    if os.getpid() != owner:
        return  # a forked child lets go of its copy of the object, not of the parent's files
    remove_recording(path)
