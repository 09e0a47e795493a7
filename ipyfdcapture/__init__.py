"""Capture what native code and child processes write to descriptors 1 and 2.

In IPython or Jupyter: ``%load_ext ipyfdcapture``, then ``%%capture_fd -v logs`` on a cell.
Anywhere: ``with capture_fd() as logs: ...``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

#: Whether this platform has descriptors that can be captured.
SUPPORTED = sys.platform not in ("win32", "cygwin", "emscripten", "wasi")

if SUPPORTED:
    from .capture.api import capture_fd, capture_thread, forward_to_logging
    from .capture.children.child import attach, popen
    from .capture.children.group import run_all, run_all_async
    from .capture.handle import Capture, FdCapture
    from .errors import CaptureError
    from .ipython.history import History, history
    from .log.captured import Captured
    from .log.line import Line
    from .log.opening import open_log
    from .log.pickling import restore as _restore  # noqa: F401  # pickles name it
    from .output.proxy import ThreadStreamProxy
    from .output.thread_streams import (
        clear_thread_streams,
        install_thread_streams,
        set_thread_streams,
        uninstall_thread_streams,
    )
    from .viewer import install as _install_viewer

    _install_viewer()

__all__ = [
    "Capture",
    "CaptureError",
    "Captured",
    "FdCapture",
    "History",
    "Line",
    "ThreadStreamProxy",
    "attach",
    "capture_fd",
    "capture_thread",
    "clear_thread_streams",
    "forward_to_logging",
    "history",
    "install_thread_streams",
    "open_log",
    "popen",
    "run_all",
    "run_all_async",
    "set_thread_streams",
    "uninstall_thread_streams",
]


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__", "load_ipython_extension", "unload_ipython_extension"])


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add ``%capture_fd`` and ``%%capture_fd`` to the shell."""
    if not SUPPORTED:
        print(
            f"ipyfdcapture: {sys.platform} has no file descriptors that can be captured; "
            "nothing was changed",
            file=sys.stderr,
        )
        return
    from .ipython.extension import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take away what `load_ipython_extension` added."""
    if SUPPORTED:
        from .ipython.extension import unload

        unload(shell)
