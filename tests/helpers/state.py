"""What a test may not leave changed in a kernel, or a terminal, that the next test has too.

It is imported there, where `changes` is asked for between two tests.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import Any

from IPython import get_ipython

_remembered: dict[str, str] = {}
_handlers = logging.getLogger().handlers[:]


def changes() -> list[str]:
    """Return what is not as it was at the first call, one line each.

    Handlers of the root logger are put back: `logging` adds one where there is none.
    """
    logging.getLogger().handlers[:] = _handlers
    now = _look()
    before = _remembered or now
    _remembered.update(before)
    return [
        f"{name}: {before[name]} became {now[name]}" for name in now if before[name] != now[name]
    ]


def _look() -> dict[str, str]:
    shell: Any = get_ipython()
    found: dict[str, Any] = {
        "working directory": os.getcwd(),
        "events": {name: len(held) for name, held in shell.events.callbacks.items()},
        "traits": [
            each.trait_values(config=True)
            for each in shell.configurables
            if type(each).__name__ == "CaptureFd"
        ],
        "magic": shell.magics_manager.magics["cell"].get("capture_fd"),
        "display hook": type(sys.displayhook),
        "handler of SIGINT": signal.getsignal(signal.SIGINT),
    }
    for fd in (1, 2):
        found[f"descriptor {fd}"] = os.fstat(fd)[:3]  # which file it is
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        own = sorted({"write", "writelines", "flush", "fileno", "isatty"} & {*vars(stream)})
        found[f"sys.{name}"] = f"{type(stream).__name__} at {id(stream):#x}, with its own {own}"
    return {name: repr(value) for name, value in found.items()}
