"""The whole process and its helper are stopped for longer than an answer is waited for.

Argument: whether that comes ``before`` it looks for the answer, or at any moment ``about`` then.
"""

import os
import signal
import subprocess
import sys
import warnings

from helpers.moments import at_moment
from helpers.process import the_pump

from ipyfdcapture import capture_fd
from ipyfdcapture.drain import channel

warnings.simplefilter("error")
channel.ANSWER_S = 5.0
with capture_fd() as logs:
    print("warm")
helper = the_pump(os.getpid()).pid


children: list[subprocess.Popen[bytes]] = []


def stop() -> None:
    channel.ANSWER_S = 60.0  # from then on
    going_on = f"sleep 5.5; kill -CONT {os.getpid()}; sleep 0.3; kill -CONT {helper}"
    stops = f"kill -STOP {os.getpid()}; " if sys.argv[1] == "about" else ""
    children.append(subprocess.Popen(["sh", "-c", stops + going_on]))
    if not stops:
        os.kill(os.getpid(), signal.SIGSTOP)


with capture_fd() as logs:
    os.write(1, b"one line\n")
    os.kill(helper, signal.SIGSTOP)
    at_moment(channel.Channel, "take_answer", stop)
assert logs.complete
assert logs.text == "one line\n"
children.pop().wait()
print("end")
