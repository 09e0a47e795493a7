"""The helper of a process that closed all descriptors ends."""

import os

from helpers.process import await_end, the_pump
from helpers.scripts import close_all

from ipyfdcapture import capture_fd

with capture_fd():
    pass
helper = the_pump(os.getpid()).pid
files = close_all()
await_end(helper)
with capture_fd():
    assert the_pump(os.getpid()).pid != helper
