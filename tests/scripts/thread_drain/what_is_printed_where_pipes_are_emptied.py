"""The thread that empties a pipe writes more into it than it holds, as a finalizer may.

Argument: how.
"""

import os
import sys
import threading

from ipyfdcapture import capture_fd
from ipyfdcapture.recording.writer import RecordingWriter

TEXT = "x" * (2 << 20)
WAYS = {
    "print": lambda: print(TEXT),
    "print to stderr": lambda: print(TEXT, file=sys.stderr),
    "os.write": lambda: os.write(1, TEXT.encode()),
}
take = RecordingWriter.take
threads = []


def take_and_write(self, *arguments):
    if not threads:
        threads.append(threading.current_thread().name)
        WAYS[sys.argv[1]]()
    return take(self, *arguments)


RecordingWriter.take = take_and_write
with capture_fd(drain="thread") as logs:
    os.write(1, b"captured\n")
print(threads, repr(logs.text))
