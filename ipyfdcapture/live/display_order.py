"""The order of a live view and of what IPython shows beside it.

Displays, tracebacks, cleared outputs and output widgets are messages of their own. A view catches
up before each of them, so that each stands where it was made.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ..output.widgets import OutputWidgets
from ..system.replacing import around


class Shown(Protocol):
    """A capture with live views."""

    def catch_up(self) -> None:
        """Show everything that was written so far."""

    def cleared(self) -> None:
        """Note that what was shown so far has been cleared."""


def keep_order(shown: Shown) -> Callable[[], None]:
    """Make ``shown`` catch up before IPython shows anything; return what ends that."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return lambda: None
    widgets = OutputWidgets(before=shown.catch_up)

    @contextlib.contextmanager
    def show(*args: Any, **kwargs: Any) -> Iterator[None]:
        shown.catch_up()
        yield

    @contextlib.contextmanager
    def clear(*args: Any, **kwargs: Any) -> Iterator[None]:
        shown.catch_up()
        yield
        if not widgets.entered:  # else it is the widget that was cleared
            shown.cleared()

    undo = contextlib.ExitStack()
    undo.callback(around(shell, "showtraceback", show, outermost=True))
    undo.callback(around(shell.display_pub, "publish", show, outermost=True))
    undo.callback(around(shell.display_pub, "clear_output", clear, outermost=True))
    undo.callback(widgets.watch())
    return undo.close
