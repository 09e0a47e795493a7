"""An interrupt ends the waiting for a slow target."""

import os
import signal
import threading

from ipyfdcapture import capture_fd

ends = threading.Event()


def slow(line):
    if ends.is_set():  # the capture ends and waits for us
        os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(0.01)


try:
    with capture_fd(on_line=slow) as logs:
        os.write(1, b"".join(b"%d\n" % i for i in range(100_000)))
        ends.set()
except KeyboardInterrupt:
    print("interrupted", len(logs))
