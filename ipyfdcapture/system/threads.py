"""Threads of ours: any thread can wait for their end, and those that empty pipes wait for nobody.

And numbers that threads share.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from . import clock
from .forking import Stage, at_fork, fork_safe_lock

#: How often to look whether a thread that has done its work is gone.
_LOOK_S = 0.00005

T = TypeVar("T")
#: The threads that empty pipes, or take over from who did.
_emptying: set[int] = set()
#: What they enter: it leads past the pipes what Python prints there.
around_emptying: list[Callable[[], contextlib.AbstractContextManager[object]]] = []


def empty_pipes(work: Callable[[], T]) -> T:
    """Call ``work``, on which everybody waits who writes to a captured descriptor.

    Python may run anything in its thread: a finalizer of the user's, a tracer. What that wrote into
    a pipe that is full would wait for the thread itself.
    """
    thread = threading.get_ident()
    with contextlib.ExitStack() as entered:
        entered.callback(_emptying.discard, thread)
        _emptying.add(thread)
        for enter in around_emptying:
            entered.enter_context(enter())
        return work()


def is_emptying_pipes() -> bool:
    """Tell whether this is called within `empty_pipes`: nothing may be written to a pipe then."""
    return bool(_emptying) and threading.get_ident() in _emptying


at_fork(Stage.STATE, in_child=_emptying.clear)  # other threads may have their numbers there


class Counter:
    """Gives each number once, from 1 on, whichever threads ask.

    `itertools.count` gives some twice where threads run at once (Python 3.13 without a GIL).
    """

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._latest = 0

    def next(self) -> int:
        """Return the next number."""
        with self._lock:
            self._latest += 1
            return self._latest


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
        deadline = clock.monotonic() + timeout_s
        if not self._is_done.wait(timeout_s):
            return False
        while self.is_alive() and clock.monotonic() < deadline:  # for a moment after its work
            clock.sleep(_LOOK_S)
        return not self.is_alive()
