"""What processes write that earlier captures started, while a later capture runs.

It is recorded in both logs. One pump reads each pipe, so the recordings of captures that have
stopped go to the drain of the newest capture.
"""

from __future__ import annotations

import contextlib

from ..errors import reason
from ..recording.recording import Recording
from ..recording.sources import streams_of
from ..system import clock
from ..system.interrupts import deferred_interrupts
from .channel import LateAnswerError
from .job import DrainJob, JobServer
from .link import PumpLink
from .taking_over import enqueue_all, reopened

#: How long to wait for a drain that another thread uses: no more than it waits for its pump.
_LOCK_S = 3.0


def copy_kept(link: PumpLink, job: DrainJob, recording: Recording) -> None:
    """Record in ``job``, too, what processes write that earlier captures started."""
    with deferred_interrupts(), link.lock:
        link.notice_loss()
        if job.number not in link.jobs or job.stopped or job.origin is None:
            return
        kept = _kept(link)
        streams = job.streams if kept else frozenset[str]()
        found = [
            (number, source, f"{origin}/{name}")
            for number, origin, sources in kept
            for source, name in sources
            if (number, source) not in job.copies and streams_of(name) & streams
        ]
        if not found:
            return
        first = len(recording.sources)
        recording.add_sources([name for _, _, name in found])
        new = {(n, source): first + i for i, (n, source, _) in enumerate(found)}
        job.copies_since = job.copies_since or clock.time_ns()
        # Waited for: what was in the pipes before belongs to the earlier captures alone. A thread
        # that takes over amid this is asked as the pump was.
        try:
            answer = link.ask(job.copy_request(new, is_resumed=False))
        except LateAnswerError:  # it is copied once the pump goes on
            job.copies |= new
            return
        except OSError as error:
            link.notices.add(
                "what processes of earlier captures write is in the logs of those alone: "
                f"{reason(error)}"
            )
            return
        job.copies |= new
        for number in answer["gone"]:
            link.released.pop(number, None)


def _kept(link: PumpLink) -> list[tuple[int, str, list[tuple[int, str]]]]:
    """Return the recordings whose captures have stopped while writers live.

    For each its number, where it comes from, and the numbers and names of its sources.
    """
    kept = [
        (job.number, job.origin, job.living_sources())
        for job in link.jobs.values()
        if job.stopped and job.origin is not None
    ]
    return kept + [(number, *each) for number, each in link.released.items()]


def adopt_kept(link: PumpLink, drain: JobServer, other: PumpLink) -> None:
    """Have a drain go on with the recordings of another one whose captures have stopped.

    If that is not possible at present, the other one does.

    Parameters
    ----------
    link, drain
        The drain that goes on, and its link.
    other
        The link of the other one.
    """
    jobs = _jobs_to_hand_over(other)
    with contextlib.ExitStack() as opened, contextlib.suppress(OSError):
        for job, files in zip(jobs, reopened(jobs, opened), strict=True):
            with deferred_interrupts(), link.lock:
                if _has_room_for(link, job):
                    _adopt(link, drain, job, files, other)


def _jobs_to_hand_over(link: PumpLink) -> list[DrainJob]:
    """Return the jobs of captures that have stopped, while writers live."""
    with link.lock:
        if not link.jobs or not link.is_ours() or link.channel.is_late:
            return []
        return [
            job
            for job in link.jobs.values()
            if job.is_over and job.origin is not None and not job.awaits_answer
        ]


def hand_over(link: PumpLink, job: DrainJob, to: JobServer) -> bool:
    """Do nothing more with a job, which another drain goes on with; tell whether it is so.

    The other drain's lock is held meanwhile. A finalizer amid what another thread does under this
    one may want that: so this one is waited for with a limit.
    """
    if not link.lock.acquire(timeout=_LOCK_S):
        return False
    try:
        if job.number not in link.jobs:
            return False
        link.ask({"do": "forget", "id": job.number})
        del link.jobs[job.number]
        job.drain = to
        for each in link.jobs.values():
            each.copies = {key: n for key, n in each.copies.items() if key[0] != job.number}
        return True
    except OSError:
        return False
    finally:
        link.lock.release()


def _has_room_for(link: PumpLink, job: DrainJob) -> bool:
    request_fds = 4 + 2 * (len(job.pipes) + len(job.wakers))
    return link.is_usable and (not link.host.outlives_us or link.channel.room >= request_fds)


def _adopt(
    link: PumpLink, drain: JobServer, job: DrainJob, files: tuple[int, int], other: PumpLink
) -> None:
    """Go on with a job of another drain. Raises `OSError` if it cannot be had at present."""
    try:
        enqueue_all(link.channel, [job], [files])  # what may fail comes first
        if hand_over(other, job, drain):
            link.jobs[job.number] = job
            link.send(link.channel.new_deadline())
    finally:
        link.channel.discard(job.number)  # what was not sent: `files` are closed after this
