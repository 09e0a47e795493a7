"""A signal amid what is done at exit is not lost."""

import os
import signal

from ipyfdcapture import capture_fd
from ipyfdcapture.recording import recording

with capture_fd() as logs:
    os.write(1, b"in")
usual = recording.recording_files  # type: ignore[attr-defined]


def interrupted(path):
    signal.raise_signal(signal.SIGTERM)
    return usual(path)


recording.recording_files = interrupted  # type: ignore[attr-defined]
signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"handled\n"))
