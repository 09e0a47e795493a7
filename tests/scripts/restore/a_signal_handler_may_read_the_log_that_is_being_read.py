"""A signal handler may read the log that is being read."""

import os
import signal

from helpers.moments import at_moment

from ipyfdcapture import capture_fd
from ipyfdcapture.drain.channel import Channel

with capture_fd() as logs:
    os.write(1, b"x\n")
    logs.nbytes  # so that at the end the pipes are empty, and nobody waits for an answer
assert logs.recording.writing.awaits_answer
read = []
signal.signal(signal.SIGUSR1, lambda *_: read.append(logs.text))
at_moment(Channel, "_await", lambda: signal.raise_signal(signal.SIGUSR1))
text = logs.text
print([text], read)
