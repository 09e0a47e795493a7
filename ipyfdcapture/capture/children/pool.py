"""Names for the workers of a pool: each worker's output is a source of its own.

Pools of `concurrent.futures`, `multiprocessing` and joblib do not say which worker they start, and
start it by fork, by spawn, or by a server that was there before the capture. All of them run an
initializer in the worker. So each name is a pair of named pipes, which the capture's drain empties
as it does those of children; the initializer takes a name that no living worker has.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from ...checks import check_positive
from ...system.interrupts import deferred_interrupts
from ...system.pipes import enlarge, out_of_the_way
from ..session import current_capture
from .child import PIPE_BYTES
from .child_log import current_log
from .labels import NAMES, check_label, labels_of


def named_workers(
    count: int,
    label: str = "worker",
    *,
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),
) -> dict[str, Any]:
    """Return what has the workers of a pool write under names of their own.

    Parameters
    ----------
    count
        How many workers the pool has. Those beyond that write as they would without this.
    label
        What the workers are called: ``worker-1``, ``worker-2`` and so on, without what the log has
        already. Their lines are found by ``logs.source("worker-1")``.
    initializer, initargs
        What else the workers run first.

    Returns
    -------
    dict
        The arguments ``initializer`` and ``initargs`` of the pool. They name workers for the
        capture that is active; a worker that starts after its end writes as it would without this.
        Without an active capture, they are the ones that were given.

    Raises
    ------
    ValueError
        If an argument is not of the accepted kind.

    Examples
    --------
    >>> import os
    >>> from concurrent.futures import ProcessPoolExecutor
    >>> from ipyfdcapture import capture_fd, named_workers
    >>> with capture_fd() as logs:
    ...     with ProcessPoolExecutor(1, **named_workers(1)) as pool:
    ...         _ = pool.submit(os.write, 1, b"from a worker").result()
    >>> logs.source("worker-1").text
    'from a worker'
    """
    check_positive("count", count, of=" of workers")
    check_label(label)
    capture = current_capture()
    if capture is None:
        return {"initializer": initializer, "initargs": initargs}
    # What is made goes with the capture, whatever interrupts this.
    with deferred_interrupts(), contextlib.ExitStack() as held:
        directory = tempfile.mkdtemp(prefix="ipyfdcapture-pool-")
        held.callback(shutil.rmtree, directory, ignore_errors=True)
        with current_log() as log:
            labels = labels_of(log.captured.recording)
            for number in range(1, count + 1):
                name = labels.take(f"{label}-{number}")
                log.add(name, _make_pipes(directory, number, held), None)
        # A pipe without a writer has ended, for its reader: this is one, until the workers are.
        capture.before_end(held.pop_all().close)
    return {"initializer": take_name, "initargs": (directory, count, initializer, initargs)}


def _make_pipes(directory: str, number: int, held: contextlib.ExitStack) -> dict[str, int]:
    read_ends: dict[str, int] = {}
    with contextlib.ExitStack() as opened:
        for stream in NAMES:
            path = _pipe(directory, number, stream)
            os.mkfifo(path, 0o600)
            read_end = out_of_the_way(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            opened.callback(os.close, read_end)
            write_end = out_of_the_way(os.open(path, os.O_WRONLY))
            held.callback(os.close, write_end)
            os.set_blocking(read_end, True)
            enlarge(write_end, PIPE_BYTES)
            read_ends[stream] = read_end
        opened.pop_all()
    return read_ends


def _pipe(directory: str, number: int, stream: str) -> str:
    return os.path.join(directory, f"{number}-{stream}")


def take_name(
    directory: str,
    count: int,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
) -> None:
    """In a worker: write under a name that no living worker has; then run what else is to be."""
    with contextlib.suppress(OSError):  # the capture is over: it writes where it would
        for number in range(1, count + 1):
            if _is_taken(directory, number):
                continue
            for fd, stream in enumerate(NAMES, 1):
                _lead(fd, _pipe(directory, number, stream))
            break
    if initializer is not None:
        initializer(*initargs)


def _is_taken(directory: str, number: int) -> bool:
    """Tell whether a living worker has a name; if not, this one has it as long as it lives."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    lock = os.open(os.path.join(directory, f"{number}-taken"), flags, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return True
    return False


def _lead(fd: int, path: str) -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    # Without a reader, the capture is over: do not wait for one.
    pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    os.set_blocking(pipe, True)
    os.dup2(pipe, fd)
    os.close(pipe)
