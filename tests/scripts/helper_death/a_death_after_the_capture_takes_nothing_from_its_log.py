"""A death after the capture takes nothing from its log."""

import os
import signal
import warnings

from helpers.holes import IS_LOST
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
    if IS_LOST:  # and what was in them is not in the helper's hands any more
        eventually(lambda: os.stat(logs.recording.path + ".data").st_size, "it is recorded")
    os.kill(helper, signal.SIGSTOP)  # it will not answer
os.kill(helper, signal.SIGKILL)
await_end(helper)
# Without splice the end of the capture has waited for an answer, and tells so.
warnings.simplefilter("ignore" if IS_LOST else "error")
print(repr(logs.stdout), logs.dropped, logs.complete)
with capture_fd() as again:
    os.write(1, b"again")
print(repr(again.stdout))
