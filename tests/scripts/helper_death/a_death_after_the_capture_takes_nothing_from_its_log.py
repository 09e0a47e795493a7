"""A death after the capture takes nothing from its log."""

import os
import signal
import warnings

from helpers.process import await_end, the_pump
from helpers.wait import eventually

from ipyfdcapture import capture_fd
from ipyfdcapture.system.pipes import waiting_bytes

with capture_fd():
    print("warm")
helper = the_pump(os.getpid()).pid
with capture_fd(drain="process") as logs:
    print("all of it")
    pipes = [pipe.read_end for pipe in logs.recording.writing.pipes.values()]
    eventually(lambda: not any(map(waiting_bytes, pipes)), "the pipes are empty")
    os.kill(helper, signal.SIGSTOP)  # it will not answer
os.kill(helper, signal.SIGKILL)
await_end(helper)
warnings.simplefilter("error")
print(repr(logs.stdout), logs.dropped, logs.complete)
with capture_fd() as again:
    os.write(1, b"again")
print(repr(again.stdout))
