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
    from .capture import Capture, capture_fd
    from .captured import Captured, Line
    from .errors import CaptureError
    from .cell_history import History

    #: The logs of past cells, by number, kept by ``%capture_fd --every-cell``.
    history = History()

__all__ = ["Capture", "CaptureError", "Captured", "History", "Line", "capture_fd", "history"]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add ``%capture_fd`` and ``%%capture_fd`` to the shell."""
    if not SUPPORTED:
        print(
            f"ipyfdcapture: {sys.platform} has no file descriptors that can be captured; "
            "nothing was changed",
            file=sys.stderr,
        )
        return
    from .magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take away what `load_ipython_extension` added."""
    if SUPPORTED:
        from .magics import unload

        unload(shell)
