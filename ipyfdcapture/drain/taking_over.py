"""Handing what a dead pump had in hand to a new one, in a thread of this process.

The new pump reads from the files how far the dead one came.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Sequence

from ..recording.files import write_all
from ..recording.format import new_header
from ..system.descriptors import duplicate
from ..system.pipes import out_of_the_way
from .channel import Channel, LateAnswerError
from .host import ThreadHost
from .job import DrainJob

#: Descriptors that a thread as host needs for itself.
_FDS_OF_A_THREAD_HOST = 6
#: Those of a recording, without its pipes: data, index, the two tails, the transit.
_FDS_OF_A_RECORDING = 6


def reopened(jobs: Sequence[DrainJob], opened: contextlib.ExitStack) -> list[tuple[int, int]]:
    """Return the data and the index of each job's recording, opened again.

    Raises `OSError` if one cannot be. ``opened`` closes them. Of a recording whose files somebody
    has removed, nothing can be kept; but whoever writes must not wait.
    """
    files = []
    for job in jobs:
        try:
            each = _reopen(job.path + ".data", opened), _reopen(job.path + ".index", opened)
        except FileNotFoundError:
            each = _open_nowhere(opened)
        files.append(each)
    return files


def resume_in_thread(jobs: Sequence[DrainJob]) -> tuple[ThreadHost, Channel]:
    """Return a pump in a thread that goes on with ``jobs``, and what leads to it.

    Raises `OSError`, with nothing changed, if the system does not allow it at present.
    """
    # With some to spare: a recording that cannot open its next file drops what comes.
    needed = sum(_FDS_OF_A_RECORDING + 2 * (len(job.pipes) + len(job.wakers)) for job in jobs)
    _check_that_there_are(needed + _FDS_OF_A_THREAD_HOST)
    with contextlib.ExitStack() as opened:
        files = reopened(jobs, opened)
        host = ThreadHost()
        channel = Channel(host.control, is_local=True)
        try:
            enqueue_all(channel, jobs, files)
        except BaseException:  # nothing was sent: nobody has begun to empty anything
            for job in jobs:
                channel.discard(job.number)
            host.close()
            raise
    while True:
        with contextlib.suppress(LateAnswerError):  # the user interrupts: there is no way back now
            channel.send(channel.new_deadline())
            return host, channel


def enqueue_all(
    channel: Channel,
    jobs: Sequence[DrainJob],
    files: Sequence[tuple[int, int]],
    beside: Sequence[DrainJob] = (),
) -> None:
    """Have a pump go on with jobs.

    Parameters
    ----------
    channel
        What leads to the pump.
    jobs, files
        The jobs, and the data and index of each one's recording.
    beside
        What the pump has in hand already: what is copied between these and ``jobs`` is so again.

    Raises
    ------
    OSError
        If a pump in this process cannot have the descriptors.
    """
    for job, each in zip(jobs, files, strict=True):
        channel.enqueue(*job.record_request(each, keep_crash=False))
        for wake, fds in job.wake_requests():
            channel.enqueue(wake, fds)
    new = {job.number for job in jobs}
    known = new | {job.number for job in beside}
    for job in (*jobs, *beside):  # before there are pipes: what comes by them is copied
        numbers = known if job.number in new else new
        copies = {copy: number for copy, number in job.copies.items() if copy[0] in numbers}
        if copies:
            channel.enqueue(job.copy_request(copies, is_resumed=True))
    for job in jobs:
        for request, fds in job.add_requests(list(job.pipes.values())):
            channel.enqueue(request, fds)


def _reopen(path: str, opened: contextlib.ExitStack) -> int:
    fd = out_of_the_way(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    opened.callback(os.close, fd)
    return fd


def _open_nowhere(opened: contextlib.ExitStack) -> tuple[int, int]:
    """Return a data file that keeps nothing, and an index that nobody will read."""
    data = _reopen(os.devnull, opened)
    with tempfile.TemporaryFile() as file:
        index = duplicate(file.fileno())
    opened.callback(os.close, index)
    write_all(index, new_header())
    return data, index


def _check_that_there_are(count: int) -> None:
    """Raise `OSError` unless this process may open so many more descriptors."""
    with contextlib.ExitStack() as opened:
        for _ in range(count):
            opened.enter_context(socket.socket(socket.AF_UNIX))
