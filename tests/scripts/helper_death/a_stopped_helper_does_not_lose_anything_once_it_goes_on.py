"""A stopped helper does not lose anything once it goes on."""

import fcntl
import os
import signal
import threading

from helpers.process import the_pump

from ipyfdcapture import capture_fd

with capture_fd() as logs:
    helper = the_pump(os.getpid()).pid
    os.kill(helper, signal.SIGSTOP)
    # As much as a pipe takes: all of it lies there when the capture ends.
    waiting = b"while it stood still\n" * 40_000
    os.set_blocking(1, False)
    written = os.write(1, waiting)
    os.set_blocking(1, True)
    threading.Timer(0.2, os.kill, (helper, signal.SIGCONT)).start()
size = logs.nbytes
assert logs.raw == waiting[:written], len(logs.raw)
# The least that a pipe takes: macOS begins with 16 KiB, and nobody can ask for more.
assert size == written > (50_000 if hasattr(fcntl, "F_SETPIPE_SZ") else 16_000)
print("end")
