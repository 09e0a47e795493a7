"""Threads that look for runtimes and load libraries do not stop each other."""

import ctypes
import faulthandler
import sys
import threading

from ipyfdcapture.output.runtimes import loaded as runtimes

faulthandler.dump_traceback_later(30, exit=True)
sys.setswitchinterval(1e-6)


def look():
    for _ in range(300):
        runtimes._loaded._seen_size = -1
        runtimes.flush_runtimes()
        ctypes.CDLL(None)


threads = [threading.Thread(target=look) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("through")
