"""A function that a program has every thread call first fails in the thread of a live target."""

import os
import threading
import warnings

from helpers.leaks import settled_difference, snapshot

from ipyfdcapture import FdCapture, capture_fd

told: list[str] = []
warnings.showwarning = lambda message, *_: told.append(str(message))
threading.excepthook = lambda *_: None
with capture_fd() as logs:
    print("warm")
before = snapshot()


def fail(*_: object) -> None:
    raise ValueError("no thread is good enough")


lines: list[str] = []
threading.settrace(fail)
capture = FdCapture(1, lines.append).start()
threading.settrace(None)  # type: ignore[arg-type]
os.write(1, b"one line\n")
capture.stop()
assert lines == []
assert len(told) == 1 and "callback" in told[0] and "its thread has died" in told[0], told
assert capture.captured.text == "one line\n"
del capture
assert settled_difference(before) == []
print("end")
