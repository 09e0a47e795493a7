"""Waiting for a thread of ours to end, in whatever thread that is done."""

from __future__ import annotations

import threading
import time

_LOOK_S = 0.0005


def is_current(thread: threading.Thread) -> bool:
    """Tell whether this is called in ``thread``.

    `threading.current_thread` makes an object for a thread that `threading` did not start, one of
    native code, and before Python 3.12 keeps that for ever.
    """
    return thread.ident == threading.get_ident()


def join(thread: threading.Thread, timeout: float) -> None:
    """Wait (s at most) for a thread, as its own `join` does if `threading` knows the current one.

    That calls `threading.current_thread`.
    """
    if any(map(is_current, threading.enumerate())):
        thread.join(timeout)
        return
    deadline = time.monotonic() + timeout
    while thread.is_alive() and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
