"""The system's clock, and sleep, whatever a program has put into their place.

Tests set the clock: freezegun and `unittest.mock.patch` replace functions of `time`, also where
modules have imported them; time-machine changes what the functions themselves do. A deadline by a
clock that stands still never passes, and by one that is years ahead every recording is old enough
to be deleted; and who counts the calls of `time.sleep` means those of the program alone. What is
called here none of them touches, except that `time_ns` is time-machine's.
"""

from __future__ import annotations

import functools
import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

#: How often to look whether a child has ended: at first, and later on.
_FIRST_LOOK_S, _LOOK_S = 0.0005, 0.05

#: As those of `time`: s, ns, and ns since the epoch.
monotonic: Callable[[], float]
monotonic_ns: Callable[[], int]
time_ns: Callable[[], int]

if hasattr(time, "clock_gettime"):
    monotonic = functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    monotonic_ns = functools.partial(time.clock_gettime_ns, time.CLOCK_MONOTONIC)
    time_ns = functools.partial(time.clock_gettime_ns, time.CLOCK_REALTIME)
else:  # Windows, where nothing is captured, but logs are read
    monotonic, monotonic_ns, time_ns = time.monotonic, time.monotonic_ns, time.time_ns


def sleep(seconds: float) -> None:
    """Wait. Other greenlets go on meanwhile, if gevent has patched the program."""
    if hasattr(select, "poll"):
        select.select((), (), (), seconds)
    else:  # Windows, whose `select` wants a socket
        time.sleep(seconds)


def await_end(child: subprocess.Popen[Any], timeout_s: float) -> int | None:
    """Wait for the end of a child; return its status, None if it lives on.

    `subprocess.Popen.wait` has its limit by the clock that a program may have stopped.
    """
    deadline, pause_s = monotonic() + timeout_s, _FIRST_LOOK_S
    while (status := child.poll()) is None and (left := deadline - monotonic()) > 0:
        sleep(min(pause_s, left))
        pause_s = min(2 * pause_s, _LOOK_S)
    return status
