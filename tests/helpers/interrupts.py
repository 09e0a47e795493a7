"""Interrupts at moments that are not of this process's choosing."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from importlib.abc import MetaPathFinder
from typing import Any

from .wait import LIMIT_S

_SENDER = """
import os, sys, time
for line in sys.stdin:
    time.sleep(float(line))
    if os.getppid() != int(sys.argv[2]):
        break  # it has ended; who adopts orphans is not to be interrupted
    os.kill(int(sys.argv[2]), int(sys.argv[1]))
"""
_LOOK_S = 0.01


class Interrupter:
    """Has another process send this one signals, whose handler raises ``error``.

    Not by the handler of a timer: what is held back from a capture is every handler. A context
    manager: the handler is there until it ends, the process until this one does.
    """

    def __init__(
        self, number: int = signal.SIGINT, error: type[BaseException] = KeyboardInterrupt
    ) -> None:
        self._number = number
        self._error = error
        self._usual: Any = None
        self._asked = self._handled = 0
        self._sender = subprocess.Popen(
            [sys.executable, "-S", "-c", _SENDER, str(int(number)), str(os.getpid())],
            stdin=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )

    def __enter__(self) -> Interrupter:
        self._usual = signal.signal(self._number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(self._number, self._usual)

    def _handle(self, *_: object) -> None:
        self._handled += 1
        raise self._error

    def send_after(self, seconds: float) -> None:
        """Have a signal sent once ``seconds`` have passed."""
        assert self._sender.stdin is not None
        self._asked += 1
        self._sender.stdin.write(f"{seconds}\n".encode())

    def await_handled(self) -> None:
        """Return once the handler was called as often as was asked for; it may be called here."""
        deadline = time.monotonic() + LIMIT_S
        while self._handled < self._asked:
            assert time.monotonic() < deadline, f"signal {self._number} was lost"
            select.select([], [], [], _LOOK_S)


class InterruptsImport(MetaPathFinder):
    """Interrupts this process once, as Python begins to look for a module.

    A context manager, which fails if nobody has imported it within.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._has_come = False

    def __enter__(self) -> None:
        sys.meta_path.insert(0, self)

    def __exit__(self, kind: object, *_: object) -> None:
        sys.meta_path.remove(self)
        assert kind is not None or self._has_come, f"{self._module} was not imported here"

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Interrupt, if it is this one; find nothing."""
        if name == self._module and not self._has_come:
            self._has_come = True
            os.kill(os.getpid(), signal.SIGINT)
