"""A signal handler may read the log whose lines are being counted."""

import os
import signal

from helpers.moments import at_moment

from ipyfdcapture import capture_fd
from ipyfdcapture.log.lines import BLOCK_BYTES, Lines

line = b"x" * 99 + b"\n"
with capture_fd() as logs:
    for _ in range(3 * BLOCK_BYTES // 100 + 1):
        os.write(1, line)
read = []
signal.signal(signal.SIGUSR1, lambda *_: read.append(len(logs)))
at_moment(Lines, "_advance", lambda: signal.raise_signal(signal.SIGUSR1))
assert len(logs) == 3 * BLOCK_BYTES // 100 + 1, len(logs)
assert read == [len(logs)], read
assert len(logs.text) == 100 * len(logs)
print("fine")
