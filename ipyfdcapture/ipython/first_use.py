"""What the magics need once something is captured. ``%load_ext`` does not wait for it.

A kernel loads it while it waits for the next cell; anywhere else, the first capture does.
"""

from __future__ import annotations

import contextlib
import functools
import sys

from IPython.core.error import UsageError

from ..errors import reason
from ..system.interrupts import deferred_interrupts


@functools.cache  # once it is done: each captured cell asks for it
def load() -> None:
    """Import all of it. Raises `UsageError` if the system does not allow it at present."""
    try:
        with deferred_interrupts():  # half a module would be loaded once more
            from ..capture import session  # noqa: F401
            from . import on_error, options, prompts, scope, statement  # noqa: F401
    except OSError as error:
        raise UsageError(f"cannot capture: {reason(error)}") from error


def load_when_idle() -> None:
    """Do so soon, if this runs in an event loop: that of a kernel."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        with contextlib.suppress(RuntimeError):  # there is no loop
            asyncio.get_running_loop().call_soon(_load_quietly)


def _load_quietly() -> None:
    with contextlib.suppress(Exception):  # the first capture tells of it
        load()
