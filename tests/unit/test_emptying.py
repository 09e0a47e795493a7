"""Whom the pump wakes: those who follow a recording, when there is something new."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ipyfdcapture.drain.emptying import Emptier, PumpedPipe, PumpedRecording
from ipyfdcapture.recording.metadata import Metadata
from ipyfdcapture.recording.recording import Recording
from ipyfdcapture.recording.writer import RecordingWriter
from ipyfdcapture.system.descriptors import Descriptor, duplicate
from ipyfdcapture.system.waker import Waker


class Followed(NamedTuple):
    """A pipe that is emptied into a recording, and what wakes those who follow that."""

    emptier: Emptier
    recording: PumpedRecording
    write_end: Descriptor
    waker: Waker

    def turn(self) -> bool:
        """Empty what is ready; tell whether those who follow were woken."""
        self.recording._next_wake = 0.0  # however soon after the last time
        self.emptier.empty(self.emptier.wait())
        return self.waker.wait(0)


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    tmp_path.chmod(0o700)
    kept, data, index = Recording.create(str(tmp_path), Metadata(sources=("stdout",)))
    recording = PumpedRecording(RecordingWriter(kept.path, data, index, None), None)
    control, control_end = os.pipe()
    read_end, write_end = os.pipe()
    waker = Waker()
    recording.wakers.append((duplicate(waker.ends[0]), duplicate(waker.ends[1])))
    emptier = Emptier(control)
    emptier.add(PumpedPipe(read_end, recording, 0, None))
    followed = Followed(emptier, recording, Descriptor(write_end), waker)
    yield followed
    emptier.close()
    recording.close_wakers()
    assert recording.writer is not None
    recording.writer.close()
    waker.close()
    kept.close()
    followed.write_end.close()
    os.close(control)
    os.close(control_end)


def test_what_is_recorded_wakes_those_who_follow(followed: Followed) -> None:
    os.write(followed.write_end, b"a line\n")
    assert followed.turn()
    assert not followed.waker.wait(0)


def test_the_end_of_a_pipe_is_no_news_while_the_capture_runs(followed: Followed) -> None:
    """Each capture closes its pipes as it ends: its thread is not to look just then."""
    followed.write_end.close()
    assert not followed.turn()
    assert not followed.emptier


def test_the_end_of_the_last_writer_is_news_after_the_capture(followed: Followed) -> None:
    """Nothing more comes of the line that it has begun."""
    followed.recording.active = False
    os.write(followed.write_end, b"the start of a line")
    assert followed.turn()
    followed.write_end.close()
    assert followed.turn()
