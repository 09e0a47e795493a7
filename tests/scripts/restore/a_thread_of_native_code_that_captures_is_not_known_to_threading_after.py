"""A thread of native code that captures is not known to threading after."""

import _thread
import os
import sys
import threading

from ipyfdcapture import capture_fd


def work():
    try:
        with capture_fd(drain=sys.argv[1], on_line=lines.append) as logs:
            os.write(1, b"x")
        texts.append(logs.text)
    finally:
        ended.release()


texts, lines = [], []
ended = _thread.allocate_lock()
ended.acquire()
_thread.start_new_thread(work, ())
assert ended.acquire(timeout=20)
assert texts == ["x"] and lines, (texts, lines)
assert [t for t in threading.enumerate() if "Dummy" in t.name] == []
