"""An interrupt comes while a module is loaded that a capture needs. Arguments: way, module."""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from logging import getLogger
from typing import Any

from helpers.interrupts import InterruptsImport

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


assert sys.argv[2] not in sys.modules
before = sys.stdout, os.fstat(1).st_ino
with InterruptsImport(sys.argv[2]):
    try:
        with WAYS[sys.argv[1]]():
            pass
    except KeyboardInterrupt:
        print("interrupted")
assert sys.argv[2] in sys.modules, "half of it was loaded"
assert (sys.stdout, os.fstat(1).st_ino) == before
with WAYS[sys.argv[1]]():
    os.write(1, b"later")
