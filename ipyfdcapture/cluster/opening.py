"""Beginning a log of workers: what fetches, what shows, and what captures of this process get."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..checks import check_positive
from ..live.follower import Follower
from ..live.iopub import has_kernel
from ..live.target import Target, TargetContext
from ..live.targets import kernel_shell, make_target
from ..system.descriptors import duplicate_if_open
from .captured_cells import CapturedCells
from .collector import Collector
from .host import this_client
from .protocol import Cluster
from .under_cells import UnderCells
from .workers_log import WorkersLog

#: As for captures in cells, see `ipyfdcapture.capture.options.CaptureOptions`.
_LIVE_INTERVAL_S = 0.1
_LIVE_MAX_BYTES = 1_000_000
_LIVE_MAX_LINES = 1000
_TAIL_LINES = 20
#: So much comes without being asked for: a client is a laptop, and a cluster has more than that.
FETCH_BYTES = 1 << 30
#: How long the end of a cell waits for what workers wrote in it: they answer within 20 ms.
_SETTLE_S = 1.0


def worker_options(
    live: Any, max_bytes: int | None, fetch_bytes: int | None, spool_dir: str
) -> dict[str, Any]:
    """Return what workers are told of these. Raises `ValueError` if one is not accepted."""
    check_positive("max_bytes", max_bytes, of=" of bytes", none=True)
    check_positive("fetch_bytes", fetch_bytes, of=" of bytes", none=True)
    if not isinstance(spool_dir, str):
        raise ValueError(f"spool_dir must be the path of a directory, not {spool_dir!r}")
    if live is not None:
        make_target(live)  # whether it can be made
    client = this_client() | {"is_live": live is not None}
    return {"max_bytes": max_bytes, "spool_dir": spool_dir, "client": client}


def begin_log(cluster: Cluster, session: str, live: Any, fetch_bytes: int | None) -> WorkersLog:
    """Begin to fetch from a cluster, and to show what comes.

    Parameters
    ----------
    cluster
        The way to the workers.
    session
        What they know the log by.
    live
        Where to show what comes, as for `capture_fd`; None: nowhere.
    fetch_bytes
        Fetch no more than this without being asked to. None: everything.
    """
    collector = Collector(cluster, session, fetch_bytes)
    recording = collector.start()
    cells = CapturedCells(recording, collector.fetch, collector.clock.now)
    follower = None
    if live is not None:
        target = _target(live, cells)
        follower = Follower(recording, target, _LIVE_INTERVAL_S, "workers")
        follower.start()
        if isinstance(target, UnderCells):
            target.settle = partial(_settle, collector, follower)
    return WorkersLog(recording, collector, cells, follower)


def _settle(collector: Collector, follower: Follower) -> None:
    collector.fetch(_SETTLE_S)
    follower.catch_up(_SETTLE_S)


def _target(live: Any, cells: CapturedCells) -> Target:
    context = TargetContext(
        frozenset(),
        duplicate_if_open,
        _LIVE_MAX_BYTES,
        _LIVE_MAX_LINES,
        _TAIL_LINES,
        "the workers' log",
    )
    shell = kernel_shell()
    if live in ("auto", "iopub") and has_kernel(shell):
        return UnderCells(shell, context, cells)
    return make_target(live)(context)
