"""What a shell shows beside a live view: displays, tracebacks, cleared outputs, output widgets.

Those are messages of their own. So that each stands where it was made, everything that was
written before is shown first.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ..system.replacing import around


class Shown(Protocol):
    """What is shown live."""

    def catch_up(self) -> None:
        """Have everything that was written so far shown."""

    def cleared(self) -> None:
        """What was shown so far is gone from where it was shown."""


def keep_order(shown: Shown) -> Callable[[], None]:
    """Have ``shown`` catch up before IPython shows anything; return what ends that."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return lambda: None
    widgets = _OutputWidgets(shown)

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
    comm = getattr(sys.modules.get("ipykernel.comm.comm"), "BaseComm", None)
    if comm is not None:
        undo.callback(around(comm, "publish_msg", widgets.message))
    return undo.close


class _OutputWidgets:
    """The output widgets that take what is shown, as ``ipywidgets.Output`` does in a with block.

    Such a widget has a trait ``msg_id``: from the moment when it is set, the front end gives to the
    widget what it receives for that cell.
    """

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        #: By the numbers of their comms.
        self.entered: set[str] = set()

    @contextlib.contextmanager
    def message(self, comm: Any, *args: Any, **kwargs: Any) -> Iterator[None]:
        """A comm sends a message."""
        data = kwargs.get("data") or {}
        state = data.get("state") if isinstance(data, dict) else None
        if isinstance(state, dict) and "msg_id" in state:
            self._shown.catch_up()
            (self.entered.add if state["msg_id"] else self.entered.discard)(comm.comm_id)
        yield
