"""Sections that an interrupt may not cut in half."""

from __future__ import annotations

import _thread
import contextlib
import os
import threading
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

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
def deferred_interrupts(*, in_finalizer: bool = False) -> Iterator[None]:
    """Hold back SIGINT until the block has ended, then deliver it as it would have been.

    Python runs signal handlers in the main thread only, so elsewhere there is nothing to do. What
    is raised in a finalizer goes nowhere: there, it is delivered once the finalizer has returned.
    """
    held: list[FrameType | None] = []
    usual = signal.getsignal(signal.SIGINT)
    if usual is None:  # installed by native code: it cannot be put back from here
        yield
        return

    def hold(_: int, frame: FrameType | None) -> None:
        held.append(frame)

    try:
        try:
            signal.signal(signal.SIGINT, hold)
            _held.append(held)
        except ValueError:
            # Not asked before, nor by current_thread(), which leaves a dummy with `threading` for
            # a thread that it did not start.
            if threading.get_ident() == threading.main_thread().ident:
                raise  # by the handler of another signal, which came right now
        yield
    finally:
        try:
            _put_back(usual, hold)
        except BaseException:  # raised by the handler of another signal
            _put_back(usual, hold)
            raise
        finally:
            _held[:] = [each for each in _held if each is not held]
        if held:
            _deliver(usual, held[0], in_finalizer)


def _put_back(usual: Any, hold: Any) -> None:
    if signal.getsignal(signal.SIGINT) is hold:  # else: not the main thread
        signal.signal(signal.SIGINT, usual)


def _deliver(usual: Any, frame: FrameType | None, in_finalizer: bool) -> None:
    if not callable(usual):
        if usual == signal.SIG_DFL:
            os.kill(os.getpid(), signal.SIGINT)
    elif in_finalizer:
        # This thread goes on for a while before another one gets its turn. And it must be a real
        # signal: the program may wait for something by then.
        with contextlib.suppress(RuntimeError):  # no thread to be had
            here = threading.get_ident()
            _thread.start_new_thread(signal.pthread_kill, (here, signal.SIGINT))
    else:
        usual(signal.SIGINT, frame)
