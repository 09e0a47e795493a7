"""The format of a recording: where a byte lies, and what the header of an index says."""

from __future__ import annotations

import errno
import os
import resource
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipyfdcapture import Captured, CaptureError
from ipyfdcapture.ipython.recover import describe
from ipyfdcapture.recording import crashes, format, spool, writer
from ipyfdcapture.recording.format import (
    ENTRY,
    HEADER,
    DamagedIndexError,
    Layout,
    OtherVersionError,
    dropped_bytes,
    new_header,
    note_dropped,
)
from ipyfdcapture.recording.metadata import Metadata
from ipyfdcapture.recording.recording import Recording
from ipyfdcapture.recording.tail_reader import RecordingTail
from ipyfdcapture.recording.writer import RecordingWriter

SMALL_TAIL_BYTES = 7
LIMITS = st.none() | st.integers(1, 40)


# -- where a byte lies ----------------------------------------------------------------------------


class ModelFiles:
    """Files that are written byte by byte where the layout says."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.files: dict[str, list[int]] = {"data": []}
        self.end = 0

    def open_next(self) -> list[int]:
        """Make ready the file that takes the next byte."""
        place = self.layout.place(self.end)
        file = self.files.setdefault(place.file, [])
        if place.begins_anew:
            file.clear()
        assert place.offset == len(file)
        return file

    def write(self) -> None:
        """Write the position itself, as one byte."""
        file = self.open_next()
        file.append(self.end)
        self.end += 1

    def read(self, position: int) -> int | None:
        place = self.layout.place(position)
        file = self.files.get(place.file, [])
        return file[place.offset] if place.offset < len(file) else None

    def size(self, name: str) -> int | None:
        return len(self.files[name]) if name in self.files else None


@contextmanager
def small_tail_files() -> Iterator[None]:
    with mock.patch.object(format, "MIN_TAIL_BYTES", SMALL_TAIL_BYTES):
        yield


@settings(deadline=None)
@given(LIMITS, st.integers(0, 150), st.integers(0, 150))
def test_a_byte_is_where_the_layout_says_or_is_said_to_be_gone(
    max_bytes: int | None, count: int, asked: int
) -> None:
    with small_tail_files():
        layout = Layout(max_bytes)
    model = ModelFiles(layout)
    for _ in range(count):
        model.write()
    asked = min(asked, count)
    there = (position for position in range(asked, count) if model.read(position) == position)
    assert layout.oldest(asked, count) == next(there, count)
    tail_start = layout.tail_start(count)
    for position in [*range(min(count, layout.first_half)), *range(tail_start, count)]:
        assert model.read(position) == position
    kept = min(count, layout.first_half) + max(0, count - tail_start)
    assert kept == (count if max_bytes is None else min(count, max_bytes))
    assert layout.over_limit(count) == count - kept


@settings(deadline=None)
@given(LIMITS, st.integers(1, 150), st.integers(1, 150))
def test_the_end_is_known_from_the_last_entry_and_the_sizes(
    max_bytes: int | None, count: int, last_chunk: int
) -> None:
    with small_tail_files():
        layout = Layout(max_bytes)
    model = ModelFiles(layout)
    for _ in range(count):
        model.write()
    # A chunk lies in one file.
    last = layout.place(count - 1)
    start = max(count - last_chunk, count - 1 - last.offset, 0)
    data = len(model.files["data"])
    assert layout.end(data, start, model.size) == count
    model.open_next()  # an entry is written once its file is ready, and before its bytes
    assert layout.end(data, count, model.size) == count
    assert layout.end(data, None, model.size) == data


@settings(deadline=None)
@given(
    LIMITS,
    st.lists(st.tuples(st.integers(0, 2), st.binary(min_size=1, max_size=30)), max_size=20),
    st.integers(0, 20),
)
def test_writer_snapshot_and_tail_agree_with_the_bytes_written(
    max_bytes: int | None, chunks: list[tuple[int, bytes]], resumed_at: int
) -> None:
    """Also if another writer goes on somewhere in between, and the index is cut again and again."""
    with (
        tempfile.TemporaryDirectory() as directory,
        small_tail_files(),
        mock.patch.object(writer, "MAX_STALE_INDEX_BYTES", 3 * ENTRY.size),
    ):
        metadata = Metadata(sources=("a", "b", "c"), max_bytes=max_bytes)
        recording, data, index = Recording.create(directory, metadata)
        following = RecordingTail(recording)
        first = RecordingWriter(recording.path, os.dup(data), os.dup(index), max_bytes)
        second = None
        written = sources = b""
        for i, (source, chunk) in enumerate(chunks):
            if i == resumed_at:
                index_now = os.open(recording.path + ".index", os.O_RDWR)  # as a take-over does
                second = RecordingWriter(recording.path, os.dup(data), index_now, max_bytes)
            (second or first).append(chunk, source)
            written += chunk
            sources += bytes([source]) * len(chunk)
            assert following.end() == len(written)
            while following.position < len(written):
                following.skip(following.oldest())
                for each in following.read(5):
                    stop = following.position
                    assert each.data in written[max(0, stop - 5) : stop]
                    assert bytes([each.source]) in sources[max(0, stop - 5) : stop]
        snapshot = recording.snapshot()
        layout = Layout(max_bytes)
        first_half, tail = layout.first_half, layout.tail_start(len(written))
        assert bytes(snapshot.data) == written[:first_half] + written[tail:]
        ends_of_chunks = [*snapshot.starts[1:], len(snapshot)] if len(snapshot.starts) else []
        numbers = zip(snapshot.source_numbers, snapshot.starts, ends_of_chunks, strict=True)
        read = b"".join(bytes([number]) * (stop - start) for number, start, stop in numbers)
        assert read == sources[:first_half] + sources[tail:]
        for used in (first, second):
            if used is not None:
                used.close()
        following.close()
        os.close(data)
        os.close(index)
        recording.close()


# -- the header -----------------------------------------------------------------------------------


def test_a_header_is_as_long_as_an_entry() -> None:
    assert HEADER.size == ENTRY.size == len(new_header())


@pytest.mark.parametrize("number", [0, errno.ENOSPC])
def test_what_was_dropped_is_read_as_it_was_noted(tmp_path: Path, number: int) -> None:
    recording, data, index = Recording.create(str(tmp_path), Metadata())
    assert dropped_bytes(index) == dropped_bytes(recording.path + ".index") == (0, 0)
    note_dropped(index, 1 << 40, number)
    assert dropped_bytes(recording.path + ".index") == (1 << 40, number)
    os.close(data)
    os.close(index)


def test_what_was_dropped_is_noted_where_no_file_can_grow(tmp_path: Path) -> None:
    recording, data, index = Recording.create(str(tmp_path), Metadata(sources=("stdout",)))
    recording_writer = RecordingWriter(recording.path, data, index, None)
    recording_writer.append(b"kept\n", 0)
    size = os.fstat(index).st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        recording_writer.append(b"lost\n", 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert dropped_bytes(index) == (5, errno.EFBIG)
    assert os.fstat(index).st_size == size
    left = Recording.open(recording.path)
    assert bytes(left.snapshot().data) == b"kept\n"
    assert (left.dropped, left.dropped_why) == (5, os.strerror(errno.EFBIG))
    recording_writer.close()


def test_a_pump_killed_before_it_drops_over_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_killed(*_: object) -> bytes:
        raise SystemExit

    recording, data, index = Recording.create(str(tmp_path), Metadata(sources=("stdout",)))
    first = RecordingWriter(recording.path, os.dup(data), os.dup(index), None)
    first._drop(1, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    read_end, write_end = os.pipe()
    os.write(write_end, b"12345")
    monkeypatch.setattr(os, "read", is_killed)
    with pytest.raises(SystemExit):
        first.take(read_end, 0)
    monkeypatch.undo()
    second = RecordingWriter(recording.path, data, index, None)
    assert (second.dropped, second.dropped_why) == (6, os.strerror(errno.ENOSPC))
    assert second.take(read_end, 0) == 5  # it cannot know that they are counted
    assert dropped_bytes(index) == (11, errno.ENOSPC)
    for each in (first, second):
        each.close()
    os.close(read_end)
    os.close(write_end)


def other_version(header: bytearray) -> None:
    struct.pack_into("<H", header, 6, 2)


def no_magic(header: bytearray) -> None:
    header[:6] = b"\0" * 6


def entry_in_its_place(header: bytearray) -> None:
    header[:] = ENTRY.pack(1_700_000_000_000_000_000, 0, 1)


def leave(spool_dir: Path, change: Callable[[bytearray], None]) -> None:
    orphan = tempfile.mkdtemp(prefix=spool.name_prefix(), dir=spool_dir)
    metadata = Metadata(sources=("stdout", "stderr"), notebook="k", started=1, cell=7)
    recording, data, index = Recording.create(orphan, metadata)
    recording.keep_files()
    recording_writer = RecordingWriter(recording.path, data, index, None)
    recording_writer.append(b"first\n", 0)
    recording_writer.append(b"last words\n", 1)
    recording_writer.close()
    content = bytearray(Path(recording.path + ".index").read_bytes())
    header = content[: HEADER.size]
    change(header)
    Path(recording.path + ".index").write_bytes(header + content[HEADER.size :])


@pytest.fixture
def runtime_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))


def test_an_index_of_another_version_is_refused_in_one_line(
    tmp_path: Path, runtime_dir: None
) -> None:
    leave(tmp_path, other_version)
    (path,) = crashes.find("k", str(tmp_path))
    with pytest.raises(OtherVersionError):
        dropped_bytes(path + ".index")
    assert "another version of ipyfdcapture wrote it" in describe(path)
    assert "\n" not in describe(path)
    with pytest.raises(CaptureError, match="another version"):
        crashes.load(path, str(tmp_path))
    assert crashes.find("k", str(tmp_path)) == [path]  # for that version to read


@pytest.mark.parametrize("change", [no_magic, entry_in_its_place, bytearray.clear])
def test_a_damaged_index_is_said_and_its_bytes_are_one_sources(
    tmp_path: Path, runtime_dir: None, change: Callable[[bytearray], None]
) -> None:
    leave(tmp_path, change)
    (path,) = crashes.find("k", str(tmp_path))
    with pytest.raises(DamagedIndexError):
        dropped_bytes(path + ".index")
    assert "cell [7]" in describe(path) and "its index is lost" in describe(path)
    logs = Captured(crashes.load(path, str(tmp_path)))
    assert [(line, line.source) for line in logs] == [("first", "stdout"), ("last words", "stdout")]
    logs.close()


@settings(deadline=None)
@given(st.binary(max_size=150), st.binary(max_size=60), st.sampled_from([None, 1, 10, 1 << 62]))
def test_whatever_stands_in_a_left_index_is_read_without_a_fault(
    entries: bytes, content: bytes, max_bytes: int | None
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        metadata = Metadata(sources=("stdout",), max_bytes=max_bytes)
        recording, data, index = Recording.create(directory, metadata)
        os.write(index, entries)
        os.write(data, content)
        os.close(data)
        os.close(index)
        left = Recording.open(recording.path)
        if max_bytes is None:
            snapshot = left.snapshot()
            assert bytes(snapshot.data) == content
            assert all(number < len(left.sources) for number in snapshot.source_numbers)
        assert len(left.sources) <= 1 << 17
        recording.close()
