"""Waking a thread that waits, from any thread or process."""

from __future__ import annotations

import contextlib
import os

from . import clock
from .descriptors import Descriptor, write_once
from .forking import Stage, at_fork
from .living import Living
from .pipes import out_of_the_way
from .polling import wait_until_readable

#: `select.poll` takes no more than 2**31 ms.
_MAX_WAIT_S = 1e6
#: Once somebody has closed the pipe, nobody is woken: how often to return from the wait then.
_CLOSED_S = 0.1


class Waker:
    """A pipe: whoever writes a byte into it wakes the thread that waits at its other end.

    Raises `OSError` if there can be none.
    """

    def __init__(self) -> None:
        read_end, write_end = (Descriptor(out_of_the_way(fd)) for fd in os.pipe())
        #: Both ends; neither ever blocks.
        self.ends = read_end, write_end
        for end in self.ends:
            os.set_blocking(end, False)
        _wakers.add(self)

    def wake(self) -> None:
        """End the wait, or the next one. Not to be called during or after `close`."""
        if self.ends[1].is_ours():
            with contextlib.suppress(OSError):  # it is full: who waits is awake by now
                write_once(self.ends[1], b"\0")

    def wait(self, timeout_s: float) -> bool:
        """Wait until somebody wakes this; tell whether somebody has.

        Returns earlier at times, if somebody has closed what is not theirs.
        """
        read_end = self.ends[0]
        if not read_end.is_ours():
            clock.sleep(min(timeout_s, _CLOSED_S))
            return False
        if not wait_until_readable(read_end, min(timeout_s, _MAX_WAIT_S)):
            return False
        with contextlib.suppress(OSError):
            os.read(read_end, 1 << 16)
        return True

    def close(self) -> None:
        """Close both ends."""
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.close()


_wakers: Living[Waker] = Living()


def _close_all() -> None:
    """A forked child has none of the threads that wait."""
    for waker in _wakers:
        waker.close()


at_fork(Stage.STATE, in_child=_close_all)
