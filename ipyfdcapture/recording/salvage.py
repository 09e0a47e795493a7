"""Reading what another process left: it may have been cut anywhere, or be damaged.

Nothing in these files is taken on trust. Entries are read up to the first that cannot be right;
metadata that was lost is made up from the other files.
"""

from __future__ import annotations

import array
import contextlib
import itertools
import operator
import os
import sys
from dataclasses import replace

from .files import recording_files
from .format import ENTRY_WORDS, DamagedIndexError, Layout, dropped_bytes
from .mapping import EMPTY, map_entries
from .metadata import MAX_UNNAMED_SOURCES, Metadata, read_changes, unnamed

#: No metadata is longer: it takes some 60 bytes for each of `MAX_UNNAMED_SOURCES` sources.
_MAX_METADATA_BYTES = 4 << 20
#: Entries are checked so many at once: 20 times as fast as one by one.
_BLOCK_ENTRIES = 1 << 14
#: A file that takes so much less room than it is long was enlarged, and never written. (File
#: systems that compress what they hold do not come near that with text.)
_HOLES = 100
_MIN_HOLES_BYTES = 64 << 20


def read_metadata(path: str) -> Metadata:
    """Read the metadata of the recording at ``path``, as far as it was written.

    Raises
    ------
    OSError
        If the files cannot be read, or were written in another format.
    """
    with open(path + ".json", "rb") as file:
        text = file.read(_MAX_METADATA_BYTES).decode("utf-8", "replace")
    found = read_changes(text.splitlines())
    entries = sound_entries(path, len(found.get("sources", ())) + MAX_UNNAMED_SOURCES)
    made_up = _made_up_metadata(path, entries)
    if "sources" in found:
        made_up = Metadata(index_lost=made_up.index_lost)
    metadata = Metadata.from_dict(made_up.to_dict() | found)
    if metadata.ended is None:  # who died could not note it
        metadata = replace(metadata, crashed=os.stat(path + ".data").st_mtime_ns)
    if metadata.dropped_at_gap is not None and os.path.exists(path + ".tail0"):
        head = Layout(metadata.max_bytes).first_half
        if os.stat(path + ".data").st_size <= head:  # who was to join them was killed before
            metadata = replace(metadata, dropped_at_gap=None)
    highest = max(entries[2::ENTRY_WORDS], default=-1)
    more = (unnamed(i) for i in range(len(metadata.sources), highest + 1))
    return replace(metadata, sources=(*metadata.sources, *more))


def read_dropped(path: str) -> tuple[int, str | None]:
    """Return how many bytes were dropped by whoever wrote the recording, and why."""
    with contextlib.suppress(FileNotFoundError, DamagedIndexError):
        dropped, number = dropped_bytes(path + ".index")
        return dropped, os.strerror(number) if number else None
    return 0, None


def sound_entries(path: str, sources: int) -> memoryview:
    """Return the entries up to where a machine without power left zeros, or nothing, in the index.

    Parameters
    ----------
    path
        What the names of the recording's files start with.
    sources
        How many sources there are at most. An entry with a higher number is damaged.

    Returns
    -------
    memoryview
        Three numbers for each chunk. If no entry is left, all bytes are of the first source.
    """
    entries = EMPTY.cast("Q")
    with contextlib.suppress(FileNotFoundError, DamagedIndexError):
        entries = map_entries(path)
    entries = entries[: ENTRY_WORDS * _count_sound(entries, sources)]
    data = os.stat(path + ".data")
    if data.st_size and not len(entries):
        entries = memoryview(array.array("Q", (data.st_mtime_ns, 0, 0)))
    return entries


def _count_sound(entries: memoryview, sources: int) -> int:
    """Return how many entries come before the first that cannot be right."""
    if len(entries) and entries[1]:  # the first chunk starts at the first byte
        return 0
    count, start = 0, 0
    while ENTRY_WORDS * count < len(entries):
        block = entries[ENTRY_WORDS * count : ENTRY_WORDS * (count + _BLOCK_ENTRIES)]
        starts = block[1::ENTRY_WORDS].tolist()
        numbers = block[2::ENTRY_WORDS]
        is_sound = start <= starts[0] and starts == sorted(starts) and max(numbers) < sources
        if not (is_sound and starts[-1] <= sys.maxsize and all(block[0::ENTRY_WORDS])):
            columns = zip(
                block[0::ENTRY_WORDS],
                map(operator.le, [start, *starts[:-1]], starts),
                map(sys.maxsize.__ge__, starts),
                map(sources.__gt__, numbers),
                strict=True,
            )
            return count + sum(1 for _ in itertools.takewhile(all, columns))
        count += len(starts)
        start = starts[-1]
    return count


def check_for_holes(path: str) -> None:
    """Raise `OSError` if files of the recording at ``path`` were enlarged and never written."""
    for file in recording_files(path):
        status = os.stat(file)
        if status.st_size > max(_MIN_HOLES_BYTES, _HOLES * 512 * status.st_blocks):
            raise OSError(f"{file} is damaged: most of it was never written")


def _made_up_metadata(path: str, entries: memoryview) -> Metadata:
    """Return what the other files of a recording tell of it, its own metadata being lost."""
    data = os.stat(path + ".data")
    tails = [os.stat(file).st_size for file in recording_files(path) if ".tail" in file[-6:]]
    # The data file is full if there are others: it is the larger half, by one or by none.
    odd = any(size == data.st_size - 1 for size in tails)
    try:
        dropped_bytes(path + ".index")
        index_lost = False
    except (FileNotFoundError, DamagedIndexError):
        index_lost = data.st_size > 0
    return Metadata(
        reconstructed=True,
        index_lost=index_lost,
        started=entries[0] if len(entries) else data.st_mtime_ns,
        crashed=data.st_mtime_ns,
        max_bytes=2 * data.st_size - odd if tails and data.st_size else None,
    )
