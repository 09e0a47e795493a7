"""Capture what native code and child processes write to descriptors 1 and 2.

In IPython or Jupyter: ``%load_ext ipyfdcapture``, then ``%%capture_fd -v logs`` on a cell.
Anywhere: ``with capture_fd() as logs: ...``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

#: Why nothing can be captured on some platforms. What reads logs works on all.
_WHY_NOT = {
    "win32": "capturing is not yet supported on Windows",
    "cygwin": "capturing is not yet supported on Cygwin",
    "emscripten": "in a browser (Pyodide) there are no file descriptors to capture",
    "wasi": "under WASI there are no file descriptors to capture",
}.get(sys.platform)
_WHAT_WORKS = "open_log() and saved logs work here"
#: Whether this platform has descriptors that can be captured.
SUPPORTED = _WHY_NOT is None

from .viewer import install as _install_viewer  # noqa: E402

_install_viewer()

if TYPE_CHECKING:
    from .capture.api import capture_fd, capture_thread, forward_to_logging
    from .capture.children.child import attach, popen
    from .capture.children.group import run_all, run_all_async
    from .capture.children.pool import named_workers
    from .capture.handle import Capture, FdCapture
    from .cluster.ranks import run_ranks
    from .errors import CaptureError
    from .ipython.history import History, history
    from .log.captured import Captured
    from .log.line import Line
    from .log.opening import open_log
    from .output.proxy import ThreadStreamProxy
    from .output.thread_streams import (
        clear_thread_streams,
        install_thread_streams,
        set_thread_streams,
        uninstall_thread_streams,
    )

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
    "named_workers",
    "open_log",
    "popen",
    "run_all",
    "run_all_async",
    "run_ranks",
    "set_thread_streams",
    "uninstall_thread_streams",
]

#: Where the public names are. They are imported when they are first asked for, since ``%load_ext``
#: and most programs need few of them. Pickles of logs name `_restore`.
_NAMES_IN = {
    ".capture.api": ("capture_fd", "capture_thread", "forward_to_logging"),
    ".capture.children.child": ("attach", "popen"),
    ".capture.children.group": ("run_all", "run_all_async"),
    ".capture.children.pool": ("named_workers",),
    ".capture.handle": ("Capture", "FdCapture"),
    ".cluster.ranks": ("run_ranks",),
    ".errors": ("CaptureError",),
    ".ipython.history": ("History", "history"),
    ".log.captured": ("Captured",),
    ".log.line": ("Line",),
    ".log.opening": ("open_log",),
    ".log.restoring": ("_restore",),
    ".output.proxy": ("ThreadStreamProxy",),
    ".output.thread_streams": (
        "clear_thread_streams",
        "install_thread_streams",
        "set_thread_streams",
        "uninstall_thread_streams",
    ),
}
_MODULES = {name: module for module, names in _NAMES_IN.items() for name in names}
#: What works where nothing can be captured.
_WORKS_ANYWHERE = {"Captured", "CaptureError", "Line", "open_log", "_restore"}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        module = _MODULES.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if not SUPPORTED and name not in _WORKS_ANYWHERE:
            raise ImportError(f"{name}: {_WHY_NOT}; {_WHAT_WORKS}")
        from .system.interrupts import loading

        with loading(__name__, module[1:]):
            found = globals()[name] = getattr(import_module(module, __name__), name)
        return found


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__", "load_ipython_extension", "unload_ipython_extension"])


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add ``%capture_fd`` and ``%%capture_fd`` to the shell."""
    if not SUPPORTED:
        print(f"ipyfdcapture: {_WHY_NOT}: nothing was changed; {_WHAT_WORKS}", file=sys.stderr)
        return
    from .ipython.extension import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take away what `load_ipython_extension` added."""
    if SUPPORTED:
        from .ipython.extension import unload

        unload(shell)
