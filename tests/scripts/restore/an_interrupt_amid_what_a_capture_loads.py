"""An interrupt comes while a module is loaded that a capture needs. Arguments: way, module."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.abc import MetaPathFinder
from logging import getLogger
from typing import Any

import ipyfdcapture
from ipyfdcapture import capture_fd, capture_thread, forward_to_logging

WAYS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "callback": lambda: ipyfdcapture.FdCapture(1, callback=print),
    "on_line": lambda: capture_fd(on_line=print),
    "live": lambda: capture_fd(live="terminal"),
    "file": lambda: capture_fd(file="copy.txt"),
    "logging": lambda: forward_to_logging(getLogger("tests")),
    "thread": lambda: capture_thread(),
    "tty": lambda: capture_fd(tty=True),
    "display": lambda: capture_fd(display=True),
}


class Interrupts(MetaPathFinder):
    """Interrupts once, as Python begins to look for a module."""

    has_come = False

    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[2] and not self.has_come:
            self.has_come = True
            os.kill(os.getpid(), signal.SIGINT)
        return


finder = Interrupts()
sys.meta_path.insert(0, finder)
assert sys.argv[2] not in sys.modules
before = sys.stdout, os.fstat(1).st_ino
try:
    with WAYS[sys.argv[1]]():
        pass
except KeyboardInterrupt:
    print("interrupted")
assert finder.has_come
assert sys.argv[2] in sys.modules, "half of it was loaded"
assert (sys.stdout, os.fstat(1).st_ino) == before
with WAYS[sys.argv[1]]():
    os.write(1, b"later")
