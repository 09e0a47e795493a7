"""The helper dies amid a capture, and between two, in a program whose SIGPIPE is the default."""

import signal
import warnings

from helpers.process import await_end
from helpers.scripts import kill_helper

from ipyfdcapture import capture_fd

signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as many do for `| head`
warnings.simplefilter("ignore")
with capture_fd() as amid:
    print("before")
    await_end(kill_helper())
    print("after")
with capture_fd() as first:
    print("first")
await_end(kill_helper())
with capture_fd() as second:
    print("second")
print(amid.text.split(), first.text, second.text)
