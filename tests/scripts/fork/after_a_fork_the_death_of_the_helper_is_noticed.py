"""After a fork the death of the helper is noticed."""

import ctypes
import os
import signal
import sys
import threading
import warnings

from helpers.process import the_pump

from ipyfdcapture import capture_fd

warnings.simplefilter("ignore")
lib = ctypes.CDLL(sys.argv[1])
with capture_fd(drain="process") as logs:
    helper = the_pump(os.getpid()).pid
    if not os.fork():
        os._exit(0)
    os.wait()
    os.kill(helper, signal.SIGSTOP)
    threading.Timer(0.05, os.kill, (helper, signal.SIGKILL)).start()
    lib.write_lines(1, b"line", 300_000)  # more than a pipe holds: somebody has to notice
print(len(logs))
