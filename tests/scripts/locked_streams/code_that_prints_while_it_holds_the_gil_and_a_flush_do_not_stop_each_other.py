"""One thread prints while it holds the GIL; another flushes C's ``stdout`` before each write."""

import ctypes
import os
import threading

from helpers.scripts import c_stream

from ipyfdcapture import capture_fd

LINES = 100_000

with_gil = ctypes.PyDLL(None)
#: A large buffer takes long to flush.
with_gil.setvbuf(c_stream("stdout"), None, 0, ctypes.c_size_t(4 << 20))
null = os.open(os.devnull, os.O_WRONLY)
is_over = False


def print_lines():
    for i in range(LINES):
        with_gil.printf(b"line %d\n", i)


def write():
    while not is_over:
        os.write(null, b"x")


with capture_fd() as logs:
    writer = threading.Thread(target=write)
    printer = threading.Thread(target=print_lines)
    writer.start()
    printer.start()
    printer.join()
    is_over = True
    writer.join()
assert list(logs) == [f"line {i}" for i in range(LINES)]
print("whole")
