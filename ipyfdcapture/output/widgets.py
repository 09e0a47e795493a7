"""Output widgets, which take what a cell shows, as ``ipywidgets.Output`` does in a with block.

Such a widget has a trait ``msg_id``: from the moment when it is set, the front end gives to the
widget what it receives for that cell.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from ..system.replacing import around


class OutputWidgets:
    """Knows which output widgets take what is shown, between `watch` and what it returns.

    Parameters
    ----------
    before
        Called before a widget begins or ends to take it.
    """

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        self._before = before
        #: By the numbers of their comms.
        self.entered: set[str] = set()

    def watch(self) -> Callable[[], None]:
        """Follow the messages of widgets; return what ends that."""
        comm = getattr(sys.modules.get("ipykernel.comm.comm"), "BaseComm", None)
        return (lambda: None) if comm is None else around(comm, "publish_msg", self._message)

    @contextlib.contextmanager
    def _message(self, comm: Any, *args: Any, **kwargs: Any) -> Iterator[None]:
        data = kwargs.get("data") or {}
        state = data.get("state") if isinstance(data, dict) else None
        if isinstance(state, dict) and "msg_id" in state:
            self._before()
            (self.entered.add if state["msg_id"] else self.entered.discard)(comm.comm_id)
        yield
