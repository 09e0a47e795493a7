"""The whole process is stopped for longer than a live target without progress is waited for."""

import os
import signal
import subprocess
import time
import warnings

from ipyfdcapture import FdCapture

warnings.simplefilter("error")
lines: list[str] = []
children: list[subprocess.Popen[bytes]] = []


def take(line: str) -> None:
    if not lines:
        wake = f"sleep 2.5; kill -CONT {os.getpid()}"
        children.append(subprocess.Popen(["sh", "-c", wake]))
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(0.05)  # whoever waits for this looks first
    lines.append(line)


with FdCapture(1, take):
    os.write(1, b"one\ntwo\nthree\n")
assert lines == ["one", "two", "three"], lines
children.pop().wait()
print("end")
