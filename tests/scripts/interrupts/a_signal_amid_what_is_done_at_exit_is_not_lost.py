"""A signal amid what is done at exit is not lost."""

import os
import signal

from helpers.moments import at_moment

from ipyfdcapture import capture_fd
from ipyfdcapture.recording import recording

with capture_fd() as logs:
    os.write(1, b"in")
at_moment(recording, "remove_recording", lambda: signal.raise_signal(signal.SIGTERM))
signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"handled\n"))
