"""New recordings of what is there already: bytes in memory, or a snapshot of another recording."""

from __future__ import annotations

import os
from collections import defaultdict, deque

from .files import write_all
from .format import ENTRY
from .metadata import Metadata
from .recording import Recording, Snapshot
from .writer import RecordingWriter


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
