"""Output of ipyparallel's engines, by engine: ``%load_ext ipyfdcapture.ipyparallel``.

With the extension, the engines of each activated view are captured, and what they write is shown
as it comes, with their names. ``%%px --capture NAME`` keeps what one cell wrote, and so does
``AsyncResult.captured`` for any task. Without a notebook: `capture_engines`.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from .cluster.ipyparallel_cluster import IPyParallelCluster
from .cluster.opening import FETCH_BYTES, begin_log, worker_options
from .cluster.px import PxExtension
from .cluster.workers_log import WorkersLog

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["capture_engines", "load_ipython_extension", "unload_ipython_extension"]

_extensions: dict[int, PxExtension] = {}


def capture_engines(
    client: Any,
    *,
    live: Any = "auto",
    max_bytes: int | None = None,
    fetch_bytes: int | None = FETCH_BYTES,
    spool_dir: str = "",
) -> WorkersLog:
    """Capture what the engines of a cluster write: Python, native code and children.

    The engines' own displays and results are as before; what they print is in the log, and no
    longer in ``AsyncResult.stdout``.

    Parameters
    ----------
    client
        An `ipyparallel.Client`.
    live
        Where to show the lines as they come, with their engines' names: ``"auto"`` (under the
        notebook cell that runs, or in the terminal), or what else `capture_fd` takes. None:
        nowhere.
    max_bytes
        Each engine keeps at most so many bytes, the first half and the last. None: all.
    fetch_bytes
        Fetch at most so many bytes in the background; `WorkersLog.fetch` has the rest. None: all.
    spool_dir
        Where engines keep their recordings. Empty: their temporary directory.

    Returns
    -------
    WorkersLog
        The log. It grows until it is stopped or closed, or the cluster is gone.

    Raises
    ------
    ValueError
        If an argument is not of the accepted kind. Nothing was changed.
    """
    if not hasattr(client, "_control_stream"):
        raise ValueError(f"capture_engines takes an ipyparallel.Client, not {client!r}")
    options = worker_options(live, max_bytes, fetch_bytes, spool_dir)
    session = uuid.uuid4().hex
    return begin_log(IPyParallelCluster(client, session, options), session, live, fetch_bytes)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Capture the engines of each view that is activated, and add ``%%px --capture``."""
    unload_ipython_extension(shell)
    _extensions[id(shell)] = PxExtension(shell, capture_engines)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take away what `load_ipython_extension` added, and close its logs."""
    extension = _extensions.pop(id(shell), None)
    if extension is not None:
        extension.close()
