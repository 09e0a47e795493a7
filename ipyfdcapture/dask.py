"""Output of Dask's workers, by worker, in one log.

::

    from dask.distributed import Client
    from ipyfdcapture.dask import capture_workers

    client = Client()
    logs = capture_workers(client)
"""

from __future__ import annotations

import uuid
from typing import Any

from .checks import check_flags
from .cluster.dask_cluster import DaskCluster, check_client
from .cluster.opening import FETCH_BYTES, begin_log, worker_options
from .cluster.workers_log import WorkersLog

__all__ = ["capture_workers"]


def capture_workers(
    client: Any,
    *,
    live: Any = "auto",
    max_bytes: int | None = None,
    fetch_bytes: int | None = FETCH_BYTES,
    tasks: bool = False,
    spool_dir: str = "",
) -> WorkersLog:
    """Capture what the workers of a Dask cluster write: Python, native code and children.

    It holds for the workers that there are, for those that come later, and for those that are
    restarted. A worker's own log has its output as before; only workers of a `LocalCluster`, which
    write where this process writes, no longer do so while it is shown here with their names.

    Parameters
    ----------
    client
        A synchronous `distributed.Client`.
    live
        Where to show the lines as they come, with their workers' names: ``"auto"`` (under the
        notebook cell that runs, or in the terminal), or what else `capture_fd` takes. None:
        nowhere.
    max_bytes
        Each worker keeps at most so many bytes, the first half and the last. None: all.
    fetch_bytes
        Fetch at most so many bytes in the background; `WorkersLog.fetch` has the rest. None: all.
    tasks
        Whether `WorkersLog.task` can tell which lines are of which task. Only workers with one
        thread can tell. It costs some 2 ms a task.
    spool_dir
        Where workers keep their recordings. Empty: their temporary directory.

    Returns
    -------
    WorkersLog
        The log. It grows until it is stopped or closed, or the cluster is gone.

    Raises
    ------
    ValueError
        If an argument is not of the accepted kind, or the workers are of a kind that cannot be
        captured. Nothing was changed.
    CaptureError
        If the client is closed. Nothing was changed.
    """
    checked = check_client(client, tasks)
    check_flags(tasks=tasks)
    options = worker_options(live, max_bytes, fetch_bytes, spool_dir) | {"tasks": tasks}
    session = uuid.uuid4().hex
    return begin_log(DaskCluster(checked, session, options), session, live, fetch_bytes)
