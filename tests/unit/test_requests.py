"""What a pump makes of the requests of an owner that was killed."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipyfdcapture.drain.protocol import encode
from ipyfdcapture.drain.pump import Pump
from ipyfdcapture.recording.metadata import Metadata
from ipyfdcapture.recording.recording import Recording


@pytest.fixture
def owner() -> Iterator[tuple[socket.socket, Pump]]:
    ours, theirs = socket.socketpair()
    yield ours, Pump(theirs)
    ours.close()


def test_descriptors_of_a_request_that_was_cut_off_are_closed(
    owner: tuple[socket.socket, Pump],
) -> None:
    control, pump = owner
    read_end, write_end = os.pipe()
    with open(read_end, "rb", buffering=0) as pipe:
        socket.send_fds(control, [b'{"do": "add", "fds": 1'], [write_end])
        os.close(write_end)
        control.close()
        pump.run()
        os.set_blocking(read_end, False)
        assert pipe.read() == b""  # None: there still is a writer


def test_what_was_asked_behind_a_question_whose_answer_nobody_takes_is_done(
    owner: tuple[socket.socket, Pump], tmp_path: Path
) -> None:
    control, pump = owner
    tmp_path.chmod(0o700)
    log, data, index = Recording.create(str(tmp_path), Metadata(sources=("stdout",)))
    read_end, write_end = os.pipe()
    os.write(write_end, b"last words")
    record = {"id": 1, "path": log.path, "max_bytes": None, "crash_dir": str(tmp_path / "kept")}
    requests = encode({"do": "hello", "fds": 0, "reply": 1})
    requests += encode({"do": "record", "fds": 2, "stopped": False, **record})
    requests += encode({"do": "add", "fds": 1, "id": 1, "sources": [0], "originals": []})
    socket.send_fds(control, [requests], [data, index, read_end])
    for fd in (data, index, read_end, write_end):
        os.close(fd)
    control.close()
    pump.run()
    (kept,) = (tmp_path / "kept").glob("*.data")
    assert kept.read_bytes() == b"last words"
    log.close()
