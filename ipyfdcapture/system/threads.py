"""Threads of ours, whose end can be waited for in whatever thread that is done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: How often to look whether a thread that has done its work is gone.
_LOOK_S = 0.00005


class WorkThread(threading.Thread):
    """A daemon thread that runs ``work``.

    `threading.Thread.join` calls `threading.current_thread`. That makes an object for a thread
    that `threading` did not start, one of native code, and before Python 3.12 keeps it for ever.
    Nothing here does.
    """

    def __init__(self, work: Callable[[], object], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._is_done = threading.Event()

    def run(self) -> None:
        """Do the work."""
        try:
            self._work()
        finally:
            del self._work  # as `threading.Thread` does: it may refer to whoever holds the thread
            self._is_done.set()

    def is_current(self) -> bool:
        """Tell whether this is called in the thread."""
        return self.ident == threading.get_ident()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the thread has ended; tell whether it has. Not to be called in it."""
        deadline = time.monotonic() + timeout_s
        if not self._is_done.wait(timeout_s):
            return False
        while self.is_alive() and time.monotonic() < deadline:  # for a moment after its work
            time.sleep(_LOOK_S)
        return not self.is_alive()
