"""Capture of IPython's rich displays.

The shell keeps its own publisher and display hook, whose calls are intercepted: widgets, progress
bars and threads use more of them than showing (``set_parent``, hooks, attributes).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

from ..system.replacing import intercept
from .widgets import OutputWidgets


def capture_displays(outputs: list[dict[str, Any]], is_live: bool) -> Callable[[], None]:
    """Have what the shell would display appended to ``outputs``; return what undoes that.

    Does nothing outside IPython.

    Parameters
    ----------
    outputs
        What was displayed: keyword arguments of IPython's ``RichOutput``.
    is_live
        Whether text is shown under the cell meanwhile, for ``clear_output()`` to clear.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return lambda: None
    capturing = _Displays(shell, outputs, is_live)
    undo = contextlib.ExitStack()
    undo.callback(capturing.widgets.watch())
    undo.callback(intercept(shell.display_pub, "publish", capturing.publish))
    undo.callback(intercept(shell.display_pub, "clear_output", capturing.clear))
    undo.callback(intercept(sys, "displayhook", capturing.show_result))
    return undo.close


class _Displays:
    """What is displayed. A display in an output widget is the widget's own."""

    def __init__(self, shell: Any, outputs: list[dict[str, Any]], is_live: bool) -> None:
        self._shell = shell
        self._outputs = outputs
        self._first = len(outputs)  # of this capture: others were taken over from another log
        self._is_live = is_live
        self._clears_next = False
        self.widgets = OutputWidgets()

    def publish(
        self, original: Callable[..., Any], data: Any, metadata: Any = None, *args: Any, **more: Any
    ) -> Any:
        if self.widgets.entered:
            return original(data, metadata, *args, **more)
        self._add(
            data=data,
            metadata=metadata,
            transient=more.get("transient"),
            update=more.get("update", False),
        )
        return None

    def clear(self, original: Callable[..., Any], wait: bool = False) -> Any:
        if self.widgets.entered:
            return original(wait)
        self._clears_next = wait
        if not wait:
            del self._outputs[self._first :]
        return original(wait) if self._is_live and self._is_kernel else None

    @property
    def _is_kernel(self) -> bool:
        """Whether clearing is a message; in a terminal it is a line of control codes."""
        return getattr(self._shell, "kernel", None) is not None

    def show_result(self, original: Callable[..., Any], value: object = None) -> None:
        hook = self._shell.displayhook
        hook.check_for_underscore()
        if value is None or hook.quiet():
            return
        data, metadata = hook.compute_format_data(value)
        hook.update_user_ns(value)
        hook.fill_exec_result(value)
        if data:
            self._add(data=data, metadata=metadata)

    def _add(self, **output: Any) -> None:
        if self._clears_next:
            self._clears_next = False
            del self._outputs[self._first :]
        self._outputs.append(output)
