"""Somebody removes the files of a log that is written, and the helper dies: no writer waits."""

import os
import shutil
import warnings

from helpers.process import await_end
from helpers.scripts import kill_helper

from ipyfdcapture import capture_fd

warnings.simplefilter("ignore")
with capture_fd() as logs:
    print("gone")
    shutil.rmtree(os.path.dirname(logs.recording.path))
    await_end(kill_helper())
    os.write(1, b"x" * (4 << 20))
print(repr(logs))
