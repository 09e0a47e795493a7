"""Wide characters of c are in order too."""

import ctypes
import os

from ipyfdcapture import capture_fd

libc = ctypes.CDLL(None)
with capture_fd() as first:
    libc.wprintf("begin\n")
with capture_fd() as logs:
    for i in range(3):
        libc.wprintf("wide %d\n", i)
        print("print", i)
        libc.wprintf("again %d\n", i)
        os.write(1, b"raw %d\n" % i)
print(first.text + logs.text, end="")
