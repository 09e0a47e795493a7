"""Capture of IPython's rich displays."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def capture_displays(outputs: list[dict[str, Any]]) -> Callable[[], None]:
    """Have what the shell would display appended to ``outputs``; return what undoes that.

    Does nothing outside IPython.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return lambda: None
    from IPython.core.displayhook import CapturingDisplayHook
    from IPython.core.displaypub import CapturingDisplayPublisher

    publisher, hook = shell.display_pub, sys.displayhook
    capturing = CapturingDisplayPublisher()
    capturing.outputs = outputs
    shell.display_pub = capturing
    capturing_hook = sys.displayhook = CapturingDisplayHook(shell=shell, outputs=outputs)

    def undo() -> None:
        shell.display_pub = publisher
        # At the end of a cell, the shell has put back the hook that was there before the cell.
        if sys.displayhook is capturing_hook:
            sys.displayhook = hook

    return undo
