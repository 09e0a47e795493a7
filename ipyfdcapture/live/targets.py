"""From what a user gives as ``live`` to the target that shows it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .callback import LoggerTarget, StreamTarget
from .follower import Target
from .iopub import IOPubScreen, has_kernel
from .stream_view import ProgressView, Screen, StreamView, TailView
from .terminal import TerminalScreen, TerminalStream

ACCEPTED = '"iopub", "terminal", "auto", a logging.Logger or a writable stream'


@dataclass
class Place:
    """What a target may need to know of the capture that it shows."""

    #: Returns a new descriptor for what a captured descriptor led to before; None if nowhere.
    below: Callable[[int], int | None]
    #: How much live text is shown at most.
    max_bytes: int
    #: How many lines a view shows at the end of a flood, or as a tail.
    tail_lines: int
    #: What the log is called in messages.
    name: str


MakeTarget = Callable[[Place], Target]


def make_target(live: Any) -> MakeTarget:
    """Return what makes the target for ``live``. Raises `ValueError` if it is none."""
    if isinstance(live, str):
        return _by_name(live)
    if isinstance(live, logging.Logger):
        return lambda place: LoggerTarget(live)
    if callable(getattr(live, "write", None)):
        return lambda place: StreamTarget(live)
    raise ValueError(f"live must be {ACCEPTED}, not {live!r}")


def _by_name(name: str) -> MakeTarget:
    shell = _kernel_shell()
    if name == "iopub" or (name == "auto" and shell is not None):
        if shell is None:
            raise ValueError('live="iopub" needs a Jupyter kernel; there is none here')
        return lambda place: StreamView(
            IOPubScreen(shell), place.max_bytes, place.tail_lines, place.name
        )
    if name in ("terminal", "auto"):
        return lambda place: TerminalStream(place.below(1), place.below(2))
    raise ValueError(f"live must be {ACCEPTED}, not {name!r}")


def make_tail(place: Place) -> Target:
    """Return a view of the last lines, where the user looks."""
    return TailView(_screen(place), place.tail_lines, place.name)


def make_progress(place: Place) -> Target:
    """Return a view of one line of progress, where the user looks."""
    return ProgressView(_screen(place), place.name)


def _screen(place: Place) -> Screen:
    shell = _kernel_shell()
    if shell is not None:
        return IOPubScreen(shell)
    fd = place.below(1)
    if fd is None:
        raise OSError("standard output is closed: there is nowhere to show it")
    return TerminalScreen(fd)


def _kernel_shell() -> Any:
    """Return the shell of the kernel that we run in, if it is one."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if has_kernel(shell) else None
