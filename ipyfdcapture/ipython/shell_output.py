"""What the shell shows of its own while a cell is captured goes outside the capture.

Results and tracebacks belong under the cell, not in its log. In a terminal the shell prints them
to ``sys.stdout``.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from ..output.router import outside
from ..system.replacing import around, intercept


class ShellOutput:
    """Leads the shell's own output past the captures of its cells.

    Parameters
    ----------
    shell
        The shell.
    serial
        Returns the number of the first capture of this thread's cells; None if there is none.
    catch_up
        Has live views show what was written so far, before the shell shows a result.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        serial: Callable[[], int | None],
        catch_up: Callable[[], None],
    ) -> None:
        self._shell = shell
        self._serial = serial
        self._catch_up = catch_up
        self._captures = 0
        self._undo = contextlib.ExitStack()
        self._lock = threading.Lock()

    def install(self) -> None:
        """A capture of a cell has begun."""
        with self._lock:
            self._captures += 1
            shell = self._shell
            if self._captures == 1:
                self._undo.callback(around(shell, "showtraceback", self._outside))
                for name in ("publish", "clear_output"):
                    self._undo.callback(around(shell.display_pub, name, self._outside))
            if sys.displayhook is shell.displayhook:
                self._undo.callback(intercept(sys, "displayhook", self._show))
            elif self._captures == 1:
                # The cell is about to begin: the shell gives it the hook of its display trap.
                self._undo.callback(intercept(shell.display_trap, "hook", self._show))

    def remove(self) -> None:
        """A capture of a cell has ended."""
        with self._lock:
            self._captures -= 1
            if not self._captures:
                self._undo.close()

    def _show(self, original: Callable[[object], Any], value: object) -> Any:
        self._catch_up()
        with self._outside():
            return original(value)

    def _outside(self, *args: Any, **kwargs: Any) -> contextlib.AbstractContextManager[None]:
        serial = self._serial()
        return contextlib.nullcontext() if serial is None else outside(serial)
