"""Reading a recording on while it grows."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipyfdcapture.recording.copying import ChunkAppender
from ipyfdcapture.recording.metadata import Metadata
from ipyfdcapture.recording.recording import Recording
from ipyfdcapture.recording.tail_reader import Chunk, RecordingTail

_Made = tuple[RecordingTail, ChunkAppender]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[_Made]:
    tmp_path.chmod(0o700)
    recording, data, index = Recording.create(str(tmp_path), Metadata(sources=("stdout", "stderr")))
    appender = ChunkAppender(data, index)
    tail = RecordingTail(recording)
    yield tail, appender
    tail.close()
    appender.close()
    recording.close()


@pytest.mark.parametrize("limit", [1, 7, 1000, 1 << 20])
def test_chunks_are_as_they_were_written_however_little_is_read_at_a_time(
    made: _Made, limit: int
) -> None:
    tail, appender = made
    for turn in range(3):
        first = turn * 700
        for i in range(first, first + 700):
            appender.add(i % 2, b"%04d" % i, i)
        appender.flush()
        assert tail.end() == 4 * (first + 700)
        found: list[Chunk] = []
        while some := tail.read(limit):
            found += some
        assert b"".join(chunk.data for chunk in found) == b"".join(
            b"%04d" % i for i in range(first, first + 700)
        )
        assert all(
            (chunk.source, chunk.time_ns) == (chunk.time_ns % 2, chunk.time_ns) for chunk in found
        )
        assert [*dict.fromkeys(chunk.time_ns for chunk in found)] == [*range(first, first + 700)]


def test_a_recording_that_is_closed_before_its_index_is_opened_has_nothing_to_read(
    made: _Made,
) -> None:
    tail, appender = made
    appender.add(0, b"one line\n", 1)
    appender.flush()
    assert tail.end() == 9  # which opens the data
    tail.recording.close()
    assert tail.read() == []


def test_a_long_index_is_not_kept_in_memory(made: _Made) -> None:
    tail, appender = made
    for i in range(100_000):
        appender.add(0, b"x", i)
    appender.flush()
    tracemalloc.start()
    try:
        assert tail.end() == 100_000
        read = 0
        while some := tail.read(100):
            read += len(some)
            tail.end()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read == 100_000
    assert peak < 500_000
