"""A signal handler may read the log that is being read."""

import os
import signal

from ipyfdcapture import capture_fd
from ipyfdcapture.drain.channel import Channel

with capture_fd() as logs:
    os.write(1, b"x\n")
    logs.nbytes  # so that at the end the pipes are empty, and nobody waits for an answer
assert logs.recording.writing.awaits_answer
usual = Channel._await_some


def interrupted(self, *args):
    Channel._await_some = usual
    signal.raise_signal(signal.SIGUSR1)
    return usual(self, *args)


read = []
signal.signal(signal.SIGUSR1, lambda *_: read.append(logs.text))
Channel._await_some = interrupted
text = logs.text
print([text], read)
