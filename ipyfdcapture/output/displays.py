"""Capture of IPython's rich displays, for ``--display``."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any


class CapturedDisplays:
    """While entered, what the shell would display is appended to ``outputs``.

    Does nothing outside IPython.
    """

    def __init__(self, outputs: list[dict[str, Any]]) -> None:
        self._outputs = outputs
        self._shell: Any = None

    def __enter__(self) -> None:
        from IPython.core.displayhook import CapturingDisplayHook
        from IPython.core.displaypub import CapturingDisplayPublisher
        from IPython.core.getipython import get_ipython

        shell = get_ipython()
        if shell is None:
            return
        self._shell = shell
        self._publisher = shell.display_pub
        self._hook = sys.displayhook
        capturing = CapturingDisplayPublisher()
        capturing.outputs = self._outputs
        shell.display_pub = capturing
        self._capturing_hook = CapturingDisplayHook(shell=shell, outputs=self._outputs)
        sys.displayhook = self._capturing_hook

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._shell is None:
            return
        self._shell.display_pub = self._publisher
        # At the end of a cell, the shell has put back the hook that was there before the cell.
        if sys.displayhook is self._capturing_hook:
            sys.displayhook = self._hook
