"""Which threads write past captures.

A thread that gives captured lines to the user's functions, handlers and streams is marked with
the capture that it serves. What it then writes through Python goes where it would have gone if
that capture, and all that began later, were not there. So text goes to older captures only, and
never in a circle.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

#: The serial number of a capture by thread: that capture and all later ones get nothing from it.
marked: dict[int, int] = {}


@contextlib.contextmanager
def writing_outside(serial: int) -> Iterator[None]:
    """Have what this thread writes through Python pass by captures from number ``serial`` on."""
    here = threading.get_ident()
    marked[here] = serial
    try:
        yield
    finally:
        marked.pop(here, None)


@contextlib.contextmanager
def writing_for_others() -> Iterator[None]:
    """Write text of other threads, as they would: even if this thread is marked."""
    here = threading.get_ident()
    serial = marked.pop(here, None)
    try:
        yield
    finally:
        if serial is not None:
            marked[here] = serial
