"""Putting the halves of a limited recording together, from wherever the last one lies."""

from __future__ import annotations

import array
import contextlib
import mmap
import os
import tempfile
from collections.abc import Callable
from typing import NamedTuple

from ..system.descriptors import open_private
from ..system.interrupts import deferred_interrupts
from .files import append_metadata
from .format import ENTRY_WORDS, Layout, dropped_bytes, new_header
from .mapping import Content, map_content

_COPY_BYTES = 1 << 20


class Joined(NamedTuple):
    """Both halves of a recording as one."""

    content: Content
    #: The file that it is mapped from; None if it is in memory alone.
    file_name: str | None
    #: Its index.
    entries: array.array[int]
    #: Where bytes are missing in it, and how many are missing between the halves.
    gaps: tuple[int, ...]
    dropped_at_gap: int


def join(
    path: str,
    layout: Layout,
    entries: memoryview,
    gaps: tuple[int, ...],
    end: int,
    files: contextlib.ExitStack,
    in_memory: bool = False,
) -> Joined:
    """Copy both halves into a new file, which goes with ``files`` unless it is renamed.

    Parameters
    ----------
    path
        What the names of the recording's files start with.
    layout, entries, gaps, end
        Its layout, its index, where bytes were missing before, and where it ends.
    files
        What closes the new file.
    in_memory
        Copy them into memory instead: there is no room beside the recording.

    Raises
    ------
    EOFError
        If the files are shorter than the index says.
    OSError
        If the new file cannot be written.
    """
    head, tail_start = layout.first_half, layout.tail_start(end)
    size = head + end - tail_start
    place_of_both = _Memory(size) if in_memory else _NewFile(os.path.dirname(path), files)
    position, target = 0, 0
    while position < end:
        place = layout.place(position)
        count = min(place.room, end - position)
        with open(f"{path}.{place.file}", "rb") as part:
            _copy(part.fileno(), place.offset, place_of_both.put, target, count)
        target += count
        position = max(position + count, tail_start)
    return Joined(
        place_of_both.content(size),
        place_of_both.name,
        _entries_around_gap(entries, head, tail_start, end),
        _gaps_around(gaps, head, tail_start),
        tail_start - head,
    )


def replace_parts(path: str, joined: Joined) -> None:
    """Put the joined file in the place of the parts. Call it once nothing is written any more.

    Raises `OSError`, with the parts as they were, if there is no room.
    """
    assert joined.file_name is not None
    header = new_header(*dropped_bytes(path + ".index"))
    new = open_private(path + ".index.new", os.O_WRONLY | os.O_TRUNC)
    with os.fdopen(new, "wb") as index:
        index.write(header + joined.entries.tobytes())
    # First what may find no room: without it, the new files would be read as the old ones.
    with contextlib.suppress(FileNotFoundError):  # the capture ended in peace
        changes = {"gaps": joined.gaps, "dropped_at_gap": joined.dropped_at_gap}
        append_metadata(path + ".json", changes)
    os.rename(joined.file_name, path + ".data")
    os.rename(path + ".index.new", path + ".index")
    for suffix in (".tail0", ".tail1"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + suffix)


class _NewFile:
    """A file beside the recording, which goes with ``files`` unless it is renamed."""

    def __init__(self, directory: str, files: contextlib.ExitStack) -> None:
        with deferred_interrupts():  # a file that is there is one that goes
            file = tempfile.NamedTemporaryFile(dir=directory, delete=False)  # noqa: SIM115
            files.enter_context(file)
            files.callback(_unlink, file.name)
        self._fd = file.fileno()
        self.name: str | None = file.name

    def put(self, chunk: bytes, position: int) -> int:
        return os.pwrite(self._fd, chunk, position)  # less, on a disk that is nearly full

    def content(self, size: int) -> Content:
        return map_content(self._fd, size)


class _Memory:
    """The same in memory that goes with its last reader."""

    name = None

    def __init__(self, size: int) -> None:
        self._memory = mmap.mmap(-1, size)

    def put(self, chunk: bytes, position: int) -> int:
        self._memory[position : position + len(chunk)] = chunk
        return len(chunk)

    def content(self, size: int) -> Content:
        return memoryview(self._memory)[:size].toreadonly()


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _copy(
    source: int, offset: int, put: Callable[[bytes, int], int], target_offset: int, count: int
) -> None:
    while count:
        chunk = os.pread(source, min(count, _COPY_BYTES), offset)
        if not chunk:
            raise EOFError("the recording is shorter than its index says")
        copied = put(chunk, target_offset)
        offset += copied
        target_offset += copied
        count -= copied


def _gaps_around(known: tuple[int, ...], head: int, tail_start: int) -> tuple[int, ...]:
    """Return where bytes are missing once ``head`` .. ``tail_start`` was left out."""
    gaps = {gap for gap in known if gap < head}
    gaps |= {head + gap - tail_start for gap in known if gap >= tail_start}
    if tail_start > head:
        gaps.add(head)
    return tuple(sorted(gaps))


def _entries_around_gap(
    entries: memoryview, head: int, tail_start: int, end: int
) -> array.array[int]:
    """Return the entries for a file in which ``head`` .. ``tail_start`` was left out."""
    joined = array.array("Q")
    for i in range(0, len(entries), ENTRY_WORDS):
        time, start, source = entries[i : i + ENTRY_WORDS]
        following = i + ENTRY_WORDS + 1
        stop = entries[following] if following < len(entries) else end
        if start < head:
            joined.extend((time, start, source))
        if stop > tail_start:
            joined.extend((time, head + max(start - tail_start, 0), source))
    return joined
