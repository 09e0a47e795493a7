"""A thread empties the pipe, and wakes who shows it: it must not flush into that pipe before.

Argument: who writes the unfinished line.
"""

import ctypes
import sys
import threading

from ipyfdcapture import capture_fd

libc = ctypes.CDLL(None)
BLOCK, BLOCKS = b"x" * 999_999 + b"\n", 10
WAYS = {"python": lambda: print("part", end=""), "c": lambda: libc.printf(b"part")}


def flood():
    for _ in range(BLOCKS):
        left = BLOCK
        while left:
            left = left[libc.write(1, left, len(left)) :]


with capture_fd(drain="thread", on_line=lambda line: None) as logs:
    flooding = threading.Thread(target=flood)
    flooding.start()
    parts = 0
    while flooding.is_alive():
        WAYS[sys.argv[1]]()
        parts += 1
print(logs.raw.count(b"x"), logs.raw.count(b"part") == parts)
