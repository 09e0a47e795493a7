"""What happens as the last reference to an object goes."""

from __future__ import annotations

import _thread
import functools
import operator
import signal
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class _Interrupting(weakref.ref[Any]):
    __slots__ = ("interrupt",)
    interrupt: Callable[[], None]


def interrupt_as_it_goes(thing: object, number: signal.Signals = signal.SIGINT) -> weakref.ref[Any]:
    """Have a signal wait as the next function is called once an object is gone.

    Keep what is returned. It runs no Python code: that would take the interrupt for itself.
    """
    reference = _Interrupting(thing, operator.methodcaller("interrupt"))
    reference.interrupt = functools.partial(_thread.interrupt_main, number)
    return reference


@contextmanager
def called_by_python() -> Iterator[list[str]]:
    """Give the names of the functions that Python calls by itself in the ``with`` block."""
    names: list[str] = []
    here = sys._getframe(2)

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_back is here:
            names.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        yield names
    finally:
        sys.setprofile(None)
        names[:] = [name for name in names if name not in ("__exit__", "called_by_python")]
