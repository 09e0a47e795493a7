"""Sections that an interrupt may not cut in half."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
else:
    # The functions themselves. Those of `signal` convert each number to an enumeration and back,
    # which takes longer than all else that is done here.
    import _signal as signal

_held: list[list[FrameType | None]] = []


def interrupt_waits() -> bool:
    """Tell whether an interrupt is held back right now: the user wants no more waiting."""
    return any(_held)


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Hold back SIGINT until the block has ended, then deliver it as it would have been.

    Python runs signal handlers in the main thread only, so elsewhere there is nothing to do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.getsignal(signal.SIGINT)
    if usual is None:  # installed by native code: it cannot be put back from here
        yield
        return
    held: list[FrameType | None] = []
    _held.append(held)
    signal.signal(signal.SIGINT, lambda _, frame: held.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        _held[:] = [each for each in _held if each is not held]
        if held:
            if callable(usual):
                usual(signal.SIGINT, held[0])
            elif usual == signal.SIG_DFL:
                os.kill(os.getpid(), signal.SIGINT)
