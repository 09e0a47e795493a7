"""A buffer is not written twice after a fork."""

import ctypes
import os
import sys

from ipyfdcapture import capture_fd

lib = ctypes.CDLL(None)
with capture_fd(drain=sys.argv[1]) as logs:
    print("python", end="")
    lib.printf(b"once ")
    child = os.fork()
    if not child:
        lib.printf(b"child ")
        lib.fflush(None)
        os._exit(0)
    os.waitpid(child, 0)
    lib.printf(b"parent")
assert logs.stdout == "pythononce child parent", logs.stdout
