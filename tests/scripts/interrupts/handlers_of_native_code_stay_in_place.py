"""Handlers of native code stay in place."""

import ctypes
import os
import signal
import sys

from ipyfdcapture import capture_fd

library = ctypes.CDLL(sys.argv[1])
for number in (signal.SIGINT, signal.SIGURG, signal.SIGUSR1):
    assert library.count_signals(number) == 0
signal.signal(signal.SIGUSR2, lambda *_: None)
with capture_fd() as logs:
    os.write(1, b"in")
for number in (signal.SIGINT, signal.SIGURG, signal.SIGUSR1):
    os.kill(os.getpid(), number)
print(logs.text, library.signals_counted())
