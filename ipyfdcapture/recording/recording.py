"""The recording: what the drain wrote, as files, and how to read it.

`format` describes the format, `writer` writes it. This module makes new recordings,
reads them (`Recording.snapshot`), and knows nothing of pipes or of who writes.
"""

from __future__ import annotations

import array
import contextlib
import errno
import itertools
import mmap
import operator
import os
import tempfile
import threading
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ..system.finalizers import Finalizer, do_what_is_due
from ..system.interrupts import deferred_interrupts
from ..system.pipes import out_of_the_way
from .files import append_metadata, recording_files, write_all
from .format import ENTRY, split_limit, tail_file_bytes
from .metadata import MAX_UNNAMED_SOURCES, Metadata, added_sources, read_changes, unnamed
from .writer import RecordingWriter

_ENTRY_WORDS = ENTRY.size // 8
_EMPTY = memoryview(b"")


@dataclass(frozen=True)
class Snapshot:
    """A recording as it was at one moment: nothing in it changes afterwards.

    It stays readable after the recording has grown or gone.
    """

    #: The bytes, in the order in which they were read.
    data: memoryview
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
        do_what_is_due()
        data_fd, data_path = tempfile.mkstemp(".data", "", directory)
        data_fd = out_of_the_way(data_fd)
        path = data_path[: -len(".data")]
        opened = [data_fd]
        try:
            for suffix in (".index", ".json"):
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                opened.append(out_of_the_way(os.open(path + suffix, flags, 0o600)))
            write_all(opened[2], metadata.to_line())
        except BaseException:
            for fd in opened:
                os.close(fd)
            _delete_files(path, os.getpid())
            raise
        os.close(opened[2])
        return cls(path, metadata), data_fd, opened[1]

    @classmethod
    def open(cls, path: str) -> Recording:
        """Open a recording that another process left. `close` deletes it.

        What a machine without power left of it is read as far as it goes: metadata that was lost
        is made up from the other files (``metadata.reconstructed``).
        """
        metadata = _read_metadata(path)  # what may fail comes first: an object deletes its files
        recording = cls(path, metadata)
        recording.state.dropped = metadata.dropped
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

    def finish(self, stopped: int, *, failed: bool = False) -> None:
        """Note that the capture ended in peace: there is nothing to recover after a crash.

        No effect if it has ended before.

        Parameters
        ----------
        stopped
            When, in ns since the epoch.
        failed
            Whether what was captured ended in an error.
        """
        if self.metadata.stopped is not None:
            return
        self.metadata = replace(self.metadata, stopped=stopped, failed=failed)
        with contextlib.suppress(OSError):
            os.unlink(self.path + ".json")

    # -- reading --------------------------------------------------------------------------------

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in the order of their numbers."""
        return self.metadata.sources

    def update(self) -> State:
        """Have everything that was written so far recorded, and return the state."""
        if self.writing is not None:
            self.state = self.writing.update()
            if not self.state.writing:
                self.writing = None
        return self.state

    def wait(self, timeout: float | None = None) -> bool:
        """Wait (s; None: as long as it takes) until all writers are gone; tell whether they are."""
        if self.writing is not None and not self.writing.wait(timeout):
            return False
        return not self.update().writing

    def snapshot(self) -> Snapshot:
        """Return everything that was written so far. Its data is mapped, not read.

        A mapping holds a descriptor: keep a snapshot for the time of one operation only. While
        one is in use, a complete recording hands out the same again.
        """
        self.update()
        snapshot = self._latest()
        if snapshot is None:
            with _joining:
                snapshot = self._read()
            if self.writing is None:
                self._latest = weakref.ref(snapshot)
        return snapshot

    def nbytes(self) -> int:
        """Return how long the data of a snapshot would be, without the work of making one."""
        self.update()
        self._check_open()
        with _joining:
            if self._is_joined:
                return os.stat(self.path + ".data").st_size
            return self._end() - self._over_limit()

    @property
    def dropped(self) -> int:
        """How many bytes were not kept, because of the limit or of a fault."""
        with _joining:
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
            dropped=0,
            dropped_before=self.dropped,
            dropped_why=self.dropped_why,
        )

    @property
    def _is_joined(self) -> bool:
        """Whether the halves that a limit leaves were put into one file for good."""
        return self.metadata.dropped_at_gap is not None

    def _over_limit(self) -> int:
        max_bytes = self.metadata.max_bytes
        if max_bytes is None or self.closed or self._is_joined:
            return 0
        return max(0, self._end() - max_bytes)

    def _end(self) -> int:
        return _end_of(self.path, self.metadata.max_bytes, self._entries())

    def _entries(self) -> memoryview:
        if self._was_left:
            return _sound_entries(self.path, len(self.metadata.sources))
        return _read_entries(self.path)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the captured log was closed: its content is gone")

    def _read(self) -> Snapshot:
        self._check_open()
        entries = self._entries()
        if self._is_joined:
            end = os.stat(self.path + ".data").st_size
            return self._build(_map_file(self.path + ".data", end), entries)
        max_bytes = self.metadata.max_bytes
        end = _end_of(self.path, max_bytes, entries)
        if max_bytes is not None and end > split_limit(max_bytes)[0]:
            return self._join_halves(max_bytes, entries, end)
        return self._build(_map_file(self.path + ".data", end), entries)

    def _join_halves(self, max_bytes: int, entries: memoryview, end: int) -> Snapshot:
        """Put the first half and the last into one file, from wherever the last one lies.

        Once nothing is written any more, the result takes the place of the parts.
        """
        head, tail = split_limit(max_bytes)
        tail_start = max(head, end - tail)
        gaps = self._gaps_around(head, tail_start)
        joined_entries = _entries_around_gap(entries, head, tail_start, end)
        size = head + end - tail_start
        with contextlib.ExitStack() as files:
            try:
                joined = _new_file(os.path.dirname(self.path), files)
                self._copy_halves(max_bytes, tail_start, end, joined.fileno())
                if self.writing is None:
                    joined_metadata = replace(
                        self.metadata, gaps=tuple(gaps), dropped_at_gap=tail_start - head
                    )
                    with deferred_interrupts():
                        self._replace_parts(joined.name, joined_entries, joined_metadata)
            except OSError as error:
                if error.errno not in _FULL or not hasattr(os, "memfd_create"):
                    raise
                joined = files.enter_context(open(os.memfd_create("joined"), "w+b", 0))
                self._copy_halves(max_bytes, tail_start, end, joined.fileno())
            view = _map_fd(joined.fileno(), size)
        return self._build(view, memoryview(joined_entries.tobytes()).cast("Q"), gaps)

    def _copy_halves(self, max_bytes: int, tail_start: int, end: int, target: int) -> None:
        with open(self.path + ".data", "rb") as data:
            _copy(data.fileno(), 0, target, 0, split_limit(max_bytes)[0])
        _copy_tail(self.path, max_bytes, tail_start, end, target)

    def _gaps_around(self, head: int, tail_start: int) -> list[int]:
        """Return where bytes are missing once ``head`` .. ``tail_start`` was left out."""
        known = self.metadata.gaps
        gaps = {gap for gap in known if gap < head}
        gaps |= {head + gap - tail_start for gap in known if gap >= tail_start}
        if tail_start > head:
            gaps.add(head)
        return sorted(gaps)

    def _replace_parts(self, data: str, entries: array.array[int], metadata: Metadata) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self.path + ".index.new", flags, 0o600), "wb") as index:
            index.write(entries.tobytes())
        # First what may find no room: without it, the new files would be read as the old ones.
        with contextlib.suppress(FileNotFoundError):  # it ended in peace
            changes = {"gaps": metadata.gaps, "dropped_at_gap": metadata.dropped_at_gap}
            append_metadata(self.path + ".json", changes)
        os.rename(data, self.path + ".data")
        os.rename(self.path + ".index.new", self.path + ".index")
        self.metadata = metadata
        for suffix in (".tail0", ".tail1"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path + suffix)

    def _build(
        self, data: memoryview, entries: memoryview, gaps: Sequence[int] | None = None
    ) -> Snapshot:
        # An entry at the end may have no bytes yet: the drain writes it before them.
        count = len(entries) // _ENTRY_WORDS
        while count and entries[_ENTRY_WORDS * count - 2] >= len(data):
            count -= 1
        entries = entries[: _ENTRY_WORDS * count]
        return Snapshot(
            data,
            entries[0::_ENTRY_WORDS],
            entries[1::_ENTRY_WORDS],
            entries[2::_ENTRY_WORDS],
            self.sources,
            self.metadata.gaps if gaps is None else tuple(gaps),
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


def record_bytes(
    directory: str, chunks: list[tuple[int, bytes, int]], metadata: Metadata
) -> Recording:
    """Make a complete recording from ``(source number, bytes, time in ns)`` in memory."""
    recording, data_fd, index_fd = Recording.create(directory, metadata)
    try:
        position = 0
        for source, chunk, time in chunks:
            write_all(index_fd, ENTRY.pack(time, position, source))
            write_all(data_fd, chunk)
            position += len(chunk)
    finally:
        os.close(data_fd)
        os.close(index_fd)
    return recording


def copy_snapshot(snapshot: Snapshot, recording: Recording, data: int, index: int) -> None:
    """Begin a new, empty recording with what a snapshot holds; the drain goes on after it.

    ``data`` and ``index`` are the descriptors of the new recording's files. Its sources must
    include those of the snapshot; two of one name stay two.
    """
    free: dict[str, deque[int]] = defaultdict(deque)
    for number, name in enumerate(recording.sources):
        free[name].append(number)
    numbers = [free[name].popleft() for name in snapshot.sources]
    own = [os.dup(data), os.dup(index)]
    writer = RecordingWriter(recording.path, own[0], own[1], recording.metadata.max_bytes)
    try:
        for i, start in enumerate(snapshot.starts):
            stop = snapshot.starts[i + 1] if i + 1 < len(snapshot.starts) else len(snapshot)
            number = numbers[snapshot.source_numbers[i]]
            writer.append(snapshot.data[start:stop], number, snapshot.times[i])
    finally:
        writer.close()
    if writer.dropped:
        raise OSError(writer.dropped_why or "the recording cannot grow")


#: Held while a limited recording is read: what puts its halves together deletes the parts.
_joining = threading.RLock()
_FULL = (errno.ENOSPC, errno.EDQUOT)


def _forget_after_fork() -> None:
    global _joining
    _joining = threading.RLock()


os.register_at_fork(after_in_child=_forget_after_fork)


def _new_file(directory: str, files: contextlib.ExitStack) -> Any:
    """Open a file that goes with ``files``, unless it has been moved."""
    file = tempfile.NamedTemporaryFile(dir=directory, delete=False)  # noqa: SIM115
    files.enter_context(file)
    files.callback(_unlink, file.name)
    return file


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _no_snapshot() -> Snapshot | None:
    return None


def _delete_files(path: str, owner: int) -> None:
    if os.getpid() != owner:
        return  # a forked child lets go of its copy of the object, not of the parent's files
    for file in recording_files(path):
        with contextlib.suppress(OSError):
            os.unlink(file)


def _read_metadata(path: str) -> Metadata:
    """Read the metadata of a recording that another process left, as far as it wrote it."""
    with open(path + ".json", encoding="utf-8", errors="replace") as lines:
        found = read_changes(lines)
    entries = _sound_entries(path, len(found.get("sources", ())) + MAX_UNNAMED_SOURCES)
    if "sources" not in found:
        found = _made_up_metadata(path, entries) | found
    metadata = Metadata.from_dict(found)
    if metadata.dropped_at_gap is not None and os.path.exists(path + ".tail0"):
        head = split_limit(metadata.max_bytes)[0] if metadata.max_bytes else 0
        if os.stat(path + ".data").st_size <= head:  # who was to join them was killed before
            metadata = replace(metadata, dropped_at_gap=None)
    highest = max(entries[2::_ENTRY_WORDS], default=-1)
    more = (unnamed(i) for i in range(len(metadata.sources), highest + 1))
    return replace(metadata, sources=(*metadata.sources, *more))


def _made_up_metadata(path: str, entries: memoryview) -> dict[str, Any]:
    """Return what the other files of a recording tell of it, its own metadata being lost."""
    data = os.stat(path + ".data")
    tails = [os.stat(file).st_size for file in recording_files(path) if ".tail" in file[-6:]]
    # The data file is full if there are others: it is the larger half, by one or by none.
    odd = any(size == data.st_size - 1 for size in tails)
    return {
        "reconstructed": True,
        "sources": (),
        "started": entries[0] if len(entries) else data.st_mtime_ns,
        "crashed": data.st_mtime_ns,
        "max_bytes": 2 * data.st_size - odd if tails and data.st_size else None,
    }


def _sound_entries(path: str, sources: int) -> memoryview:
    """Return the entries up to where a machine without power left zeros, or nothing, in the index.

    There are at most so many ``sources``. Bytes without any entry are of one source.
    """
    entries = _EMPTY.cast("Q")
    with contextlib.suppress(FileNotFoundError):
        entries = _read_entries(path)
    starts = entries[1::_ENTRY_WORDS]
    follows = map(operator.le, itertools.chain((0,), starts), starts)
    is_known = map(sources.__gt__, entries[2::_ENTRY_WORDS])
    columns = zip(entries[0::_ENTRY_WORDS], follows, is_known, strict=True)
    sound = itertools.takewhile(all, columns)
    entries = entries[: _ENTRY_WORDS * sum(1 for _ in sound)]
    data = os.stat(path + ".data")
    if data.st_size and not len(entries):
        entries = memoryview(array.array("Q", (data.st_mtime_ns, 0, 0)))
    return entries


def _read_entries(path: str) -> memoryview:
    with open(path + ".index", "rb") as index:
        size = os.fstat(index.fileno()).st_size
        return _map_fd(index.fileno(), size - size % ENTRY.size).cast("Q")


def _end_of(path: str, max_bytes: int | None, entries: memoryview) -> int:
    """Return how many bytes were recorded in all, those that are gone included."""
    end = os.stat(path + ".data").st_size
    if max_bytes is None or not len(entries):
        return end
    head = split_limit(max_bytes)[0]
    start = entries[-2]
    if start < head:
        return end
    size = tail_file_bytes(max_bytes)
    number = (start - head) // size
    with contextlib.suppress(FileNotFoundError):
        end = max(start, head + number * size + os.stat(f"{path}.tail{number % 2}").st_size)
    return end


def _map_file(path: str, size: int) -> memoryview:
    with open(path, "rb") as file:
        return _map_fd(file.fileno(), size)


def _map_fd(fd: int, size: int) -> memoryview:
    if not size:
        return _EMPTY
    return memoryview(mmap.mmap(fd, size, access=mmap.ACCESS_READ))


def _copy(source: int, offset: int, target: int, target_offset: int, count: int) -> None:
    while count:
        chunk = os.pread(source, min(count, 1 << 20), offset)
        if not chunk:
            raise EOFError("the recording is shorter than its index says")
        copied = os.pwrite(target, chunk, target_offset)  # less, on a disk that is nearly full
        offset += copied
        target_offset += copied
        count -= copied


def _copy_tail(path: str, max_bytes: int, start: int, end: int, target: int) -> None:
    """Copy the last half to where the first ends, from the two tail files in turn."""
    head = split_limit(max_bytes)[0]
    size = tail_file_bytes(max_bytes)
    position = start
    while position < end:
        number, offset = divmod(position - head, size)
        count = min(size - offset, end - position)
        with open(f"{path}.tail{number % 2}", "rb") as part:
            _copy(part.fileno(), offset, target, head + position - start, count)
        position += count


def _entries_around_gap(
    entries: memoryview, head: int, tail_start: int, end: int
) -> array.array[int]:
    """Return the entries for a file in which ``head`` .. ``tail_start`` was left out."""
    joined = array.array("Q")
    for i in range(0, len(entries), _ENTRY_WORDS):
        time, start, source = entries[i : i + _ENTRY_WORDS]
        following = i + _ENTRY_WORDS + 1
        stop = entries[following] if following < len(entries) else end
        if start < head:
            joined.extend((time, start, source))
        if stop > tail_start:
            joined.extend((time, head + max(start - tail_start, 0), source))
    return joined
