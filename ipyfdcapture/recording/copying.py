"""New recordings of what is there already: bytes in memory, or a snapshot of another recording."""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Iterable
from types import TracebackType

from .files import write_all
from .format import ENTRY
from .metadata import Metadata
from .recording import Recording, Snapshot
from .writer import RecordingWriter

#: A builder writes when it has gathered so much.
_GATHER_BYTES = 1 << 20


class ChunkAppender:
    """Appends chunks to the files of a recording without a limit, many at a time.

    Parameters
    ----------
    data_fd, index_fd
        Its data and its index, at their ends. They are owned by this object from now on.
    """

    def __init__(self, data_fd: int, index_fd: int) -> None:
        self._data_fd, self._index_fd = data_fd, index_fd
        self._data = bytearray()
        self._entries = bytearray()
        self._end = 0
        self._latest: tuple[int, int] | None = None

    def add(self, source: int, data: bytes | memoryview, time: int) -> None:
        """Append what a source (its number) wrote at a time (ns since the epoch)."""
        if not len(data):
            return
        if (source, time) != self._latest:
            self._entries += ENTRY.pack(time, self._end, source)
            self._latest = source, time
        self._data += data
        self._end += len(data)
        if len(self._data) >= _GATHER_BYTES:
            self.flush()

    @property
    def end(self) -> int:
        """How many bytes it has by now."""
        return self._end

    def flush(self) -> None:
        """Write what was gathered: an entry before its bytes."""
        write_all(self._index_fd, self._entries)
        self._entries.clear()
        write_all(self._data_fd, self._data)
        self._data.clear()

    def close(self) -> None:
        """Close the files; what was gathered since `flush` is lost."""
        os.close(self._data_fd)
        os.close(self._index_fd)


class RecordingBuilder:
    """Makes a complete recording, chunk by chunk.

    Use it as a context manager: an error within deletes the recording.

    Parameters
    ----------
    directory
        Where to keep it.
    metadata
        What is known of it; `recording` has it, and it may be replaced there until the end.
    """

    def __init__(self, directory: str, metadata: Metadata) -> None:
        self.recording, data_fd, index_fd = Recording.create(directory, metadata)
        self._appender = ChunkAppender(data_fd, index_fd)
        self.add = self._appender.add

    @property
    def end(self) -> int:
        """How many bytes it has by now."""
        return self._appender.end

    def __enter__(self) -> RecordingBuilder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._appender.flush()
        except BaseException:
            self.recording.close()
            raise
        finally:
            self._appender.close()
            if error is not None:
                self.recording.close()


def record_bytes(
    directory: str, chunks: Iterable[tuple[int, bytes | memoryview, int]], metadata: Metadata
) -> Recording:
    """Make a complete recording from ``(source number, bytes, time in ns)`` in memory."""
    with RecordingBuilder(directory, metadata) as builder:
        for source, chunk, time in chunks:
            builder.add(source, chunk, time)
    return builder.recording


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
