"""Beside a locked stream."""

import os
import sys
import threading
from typing import Any

from ipyfdcapture import capture_fd

exec(sys.argv[1])


locked, end = threading.Event(), threading.Event()


def hold():
    exec(sys.argv[2])
    locked.set()
    end.wait()
    exec(sys.argv[3])


thread = threading.Thread(target=hold)
thread.start()
locked.wait()
came = threading.Event()
choices: list[dict[str, Any]] = [{}, {"on_line": lambda line: came.set()}]
for options in choices:
    with capture_fd(**options) as logs:
        os.write(1, b"meanwhile\n")
        assert not options or came.wait(60)
    assert logs.stdout == "meanwhile\n", logs.stdout
with capture_fd() as logs:
    end.set()
    thread.join()
os.write(1, repr(logs.stdout).encode())
