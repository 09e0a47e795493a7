"""The kernel's side of one pump.

A `Drain` hands pipes to a pump, asks it to bring a recording up to date, and goes on in a thread
of this process if the pump dies.

A pump that lives and does not answer is not replaced: two must never write at once. What it has
in hand waits for it, and new captures use another (`Drain.is_usable`). Only one that moves nothing
while a writer waits for it is killed first (`ipyfdcapture.drain.watcher`).
"""

from __future__ import annotations

import _thread
import contextlib
import errno
import itertools
import os
import time
from collections.abc import Callable, Sequence

from ..errors import reason
from ..recording.format import dropped_bytes
from ..recording.recording import Recording, State
from ..recording.sources import origin_of, streams_of
from ..recording.spool import Spool
from ..system.descriptors import Socket
from ..system.finalizers import Finalizer
from ..system.forking import fork_safe_lock, is_owned
from ..system.interrupts import deferred_interrupts
from .channel import GONE, Answer, Channel, LateAnswerError, check_answer
from .host import Host
from .job import DrainJob, Pipe, PipeReservation
from .notices import Notices
from .protocol import Request
from .taking_over import enqueue_all, reopened, resume_in_thread
from .watcher import Watcher

#: How the system says that there are none: there may be some at the next look.
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)

#: The numbers of recordings: the higher, the newer. One may go from one drain to another.
_numbers = itertools.count(1)


class Drain:
    """Serves captures with one pump.

    Safe to use from any thread. Requests are answered one at a time; a pump that dies is
    replaced by one in a thread, which goes on where it stopped.

    Parameters
    ----------
    host
        The running pump. Owned by the drain from now on, also if it raises.

    Raises
    ------
    OSError
        If there can be no thread that watches over a helper process.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self._channel = Channel(host.control, is_local=not host.outlives_us)
        self._lock = fork_safe_lock()
        self._jobs: dict[int, DrainJob] = {}
        #: The jobs that await an answer, see `stop`.
        self._unanswered: list[DrainJob] = []
        #: Released recordings whose pipes had writers: where they come from, and their sources.
        self._released: dict[int, tuple[str, list[tuple[int, str]]]] = {}
        self._spools: list[Spool] = []
        self._owner = os.getpid()
        #: What the user is to be told once nothing is captured any more.
        self.notices = Notices()
        #: Whether the pump has said that it is one.
        self.was_greeted = False
        self._is_retired = False
        self.splices = False
        #: Whether a pipe was nearly full at the last look, see `_end_if_stuck`.
        self._is_full = False
        self._watcher: Watcher | None = None
        try:
            self.watch()
        except BaseException:
            host.close()
            raise

    @property
    def is_usable(self) -> bool:
        """Whether new recordings may be handed to it."""
        return self.host.is_usable and self._is_ours() and not self._channel.is_late

    def _is_ours(self) -> bool:
        """Whether this is the process that made it, and no forked child."""
        return self._owner == os.getpid()

    def greet(self, limit_s: float) -> None:
        """Wait until the pump has said that it is one, if it has not yet.

        Raises `OSError` if it does not within ``limit_s`` seconds, and is ended then, or if it
        has ended; `LateAnswerError` if the user interrupts.
        """
        with self._lock:
            if self.was_greeted or not self.host.outlives_us:
                return
            try:
                self._channel.ask({"do": "hello"}, time.monotonic() + limit_s)
            except GONE:
                raise OSError(errno.ECHILD, f"{self.host} ended without an answer") from None
            except LateAnswerError:
                if not self._channel.is_late:
                    raise  # the user has interrupted
                self.host.end()
                message = f"{self.host} did not answer within {limit_s:g} s"
                raise OSError(errno.ETIMEDOUT, message) from None
            # How many descriptors it can take is asked when it is first handed some: by then,
            # that may be fewer.
            self.was_greeted = True

    # -- what a capture asks --------------------------------------------------------------------

    def record(
        self,
        recording: Recording,
        spool: Spool,
        files: tuple[int, int],
        crash_dir: str | None,
        pipes: Sequence[Pipe] = (),
        *,
        is_capture: bool = False,
    ) -> DrainJob:
        """Begin to write ``recording`` from ``pipes``.

        What comes by the pipes of a capture that has stopped is recorded in later ones as well
        (`copy_kept`). Takes over ``files``, the descriptors of its data and index, and the pipes.
        Raises `OSError` if the drain cannot have them.
        """
        limit = recording.metadata.max_bytes
        job = DrainJob(self, next(_numbers), recording.path, limit, crash_dir)
        job.pipes = {pipe.source: pipe for pipe in pipes}
        if is_capture:
            job.origin = origin_of(recording.metadata.cell, job.number)
        try:
            job.open_transit()
            with self._lock:
                if not self.host.is_usable:  # a thread that had nothing left to do has ended
                    self._take_over()
                self._jobs[job.number] = job
                self._channel.take_answers()
                is_new = self.host.outlives_us and spool not in self._spools
                if is_new:
                    self._channel.enqueue({"do": "spool", "path": spool.path}, [spool.lock_fd])
                keep_crash = self.host.outlives_us
                self._channel.enqueue(*job.record_request(files, keep_crash))
                self._send_pipes(job, pipes)
                if is_new:
                    self._spools.append(spool)
        except BaseException:
            with self._lock:
                self._channel.discard(job.number)
                self._jobs[job.number] = job
            self.release(job)
            raise
        finally:
            for fd in files:
                os.close(fd)
        recording.writing = job
        Finalizer(recording, job.release)
        return job

    def add(self, job: DrainJob, pipes: Sequence[Pipe]) -> None:
        """Have more ``pipes`` emptied into the recording of ``job``; takes them over.

        Raises `OSError`, with them closed, if the drain cannot have them.
        """
        with deferred_interrupts(), self._lock:
            self._notice_loss()
            if job.number not in self._jobs:
                for pipe in pipes:
                    pipe.close()
                raise OSError(errno.EPIPE, "the log is complete: nothing can be added to it")
            for pipe in pipes:
                job.pipes[pipe.source] = pipe
            try:
                self._send_pipes(job, pipes)
            except BaseException:
                self._channel.discard(job.number)
                for pipe in pipes:
                    if job.pipes.pop(pipe.source, None) is not None:
                        pipe.close()
                raise

    def reserve(self, job: DrainJob) -> PipeReservation | None:
        """Have ``job`` wait for pipes that are yet to be added; None if it is too late."""
        with self._lock:
            return PipeReservation(job) if job.number in self._jobs else None

    def update(self, job: DrainJob) -> State:
        """Have everything recorded that is in the pipes of ``job``.

        If the pump does not answer in time, what it answers later is noted when somebody looks
        again; until then the recording counts as still being written.
        """
        with self._lock:
            self._notice_loss()
            was_known = job.number in self._jobs
            self._catch_up(job)
            if job.awaits_answer:
                self.notices.add_once(
                    "the ipyfdcapture helper process does not answer (is it stopped, or does it "
                    "wait for a file system?): what it has not recorded yet is in the log once it "
                    "goes on"
                )
            failed, job.failed = job.failed, None
        self._show_notices_if_idle()
        if failed is not None and was_known:  # else: it was complete before
            check_answer(failed)
        if not job.state.writing:
            self.close_if_idle()
        return job.state

    def stop(self, job: DrainJob) -> None:
        """Have everything recorded that was written before the capture of ``job`` ended.

        If the pipes are empty and nobody can write to them, it is recorded. Then the pump is
        asked, but not waited for: its answer is only needed when somebody looks. (To wait for it
        takes two to three times as long as all else that an empty capture does.)
        """
        with self._lock:
            self._notice_loss()
            if job.number not in self._jobs:
                return
            can_tell = self.host.outlives_us and self.splices and not job.copies
            is_recorded = can_tell and job.is_over and job.has_all()
            if is_recorded:
                # Of no pipe: what the pump has not had of them is nothing.
                self._ask_for_all(job, stopped=True, sources=[])
                job.state.writing = False
                self._forget(job)
                with contextlib.suppress(LateAnswerError):
                    self._send()
        if is_recorded:
            self.close_if_idle()
        else:
            self.update(job)

    def release(self, job: DrainJob) -> None:
        """Keep nothing more of ``job``. Also called by finalizers."""
        if self.postpones(lambda: self.release(job)):
            return
        with deferred_interrupts(), self._lock:
            self._notice_loss()
            if job.number not in self._jobs:
                return
            if job.origin is not None and (living := job.living_sources()):
                self._released[job.number] = job.origin, living
            with contextlib.suppress(OSError):
                channel = None
                while channel is not self._channel:  # else: one that took over goes on with it
                    channel = self._channel
                    channel.enqueue({"do": "release", "id": job.number})
                    self._send()
            self._forget(job)
        self.close_if_idle()

    def postpones(self, function: Callable[[], object]) -> bool:
        """If this thread is using the drain, have another call ``function``, and say so.

        For finalizers: they run wherever they are due, also amid what is done under the lock.
        """
        if not is_owned(self._lock):
            return False
        with contextlib.suppress(RuntimeError):  # no thread to be had: at exit, then
            _thread.start_new_thread(function, ())
        return True

    # -- what processes write that earlier captures started -------------------------------------

    def copy_kept(self, job: DrainJob, recording: Recording) -> None:
        """Record in ``job``, too, what processes write that earlier captures started."""
        with deferred_interrupts(), self._lock:
            self._notice_loss()
            if job.number not in self._jobs or job.stopped or job.origin is None:
                return
            kept = self._kept()
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
            job.copies |= new
            job.copies_since = job.copies_since or time.time_ns()
            # Waited for: what was in the pipes before belongs to the earlier captures alone.
            try:
                answer = self._ask(job.copy_request(new, is_resumed=False))
            except LateAnswerError:  # it is copied once the pump goes on
                return
            except OSError as error:
                self.notices.add(
                    "what processes of earlier captures write is in the logs of those alone: "
                    f"{reason(error)}"
                )
                return
            for number in answer["gone"]:
                self._released.pop(number, None)

    def _kept(self) -> list[tuple[int, str, list[tuple[int, str]]]]:
        """Return the recordings whose captures have stopped while writers live.

        For each its number, where it comes from, and the numbers and names of its sources.
        """
        kept = [
            (job.number, job.origin, job.living_sources())
            for job in self._jobs.values()
            if job.stopped and job.origin is not None
        ]
        return kept + [(number, *each) for number, each in self._released.items()]

    def adopt_kept(self, other: Drain) -> None:
        """Go on with the recordings of another drain whose captures have stopped.

        If that is not possible at present, the other one does.
        """
        jobs = [] if other is self else other.jobs_to_hand_over()
        with contextlib.ExitStack() as opened, contextlib.suppress(OSError):
            for job, files in zip(jobs, reopened(jobs, opened), strict=True):
                with deferred_interrupts(), self._lock:
                    if self._has_room_for(job):
                        self._adopt(job, files, other)
        if jobs:
            other.close_if_idle()

    def jobs_to_hand_over(self) -> list[DrainJob]:
        """Return the jobs of captures that have stopped, while writers live."""
        with self._lock:
            if not self._jobs or not self._is_ours() or self._channel.is_late:
                return []
            return [
                job
                for job in self._jobs.values()
                if job.is_over and job.origin is not None and not job.awaits_answer
            ]

    def hand_over(self, job: DrainJob, to: Drain) -> bool:
        """Do nothing more with a job, which another drain goes on with; tell whether it is so."""
        with self._lock, contextlib.suppress(OSError):
            if job.number in self._jobs:
                self._ask({"do": "forget", "id": job.number})
                del self._jobs[job.number]
                job.drain = to
                for each in self._jobs.values():
                    each.copies = {key: n for key, n in each.copies.items() if key[0] != job.number}
                return True
        return False

    def _has_room_for(self, job: DrainJob) -> bool:
        request_fds = 4 + 2 * len(job.pipes)
        return self.is_usable and (not self.host.outlives_us or self._channel.room >= request_fds)

    def _adopt(self, job: DrainJob, files: tuple[int, int], other: Drain) -> None:
        """Go on with a job of another drain. Raises `OSError` if it cannot be had at present."""
        try:
            enqueue_all(self._channel, [job], [files])  # what may fail comes first
            if other.hand_over(job, self):
                self._jobs[job.number] = job
                self._send(self._channel.new_deadline())
        finally:
            self._channel.discard(job.number)  # what was not sent: `files` are closed after this

    # -- what the pump is sent ------------------------------------------------------------------

    def _send_pipes(self, job: DrainJob, pipes: Sequence[Pipe]) -> None:
        for request, fds in job.add_requests(pipes):
            self._channel.enqueue(request, fds)
        if self._channel.is_short_of_room:
            self._confirm(job, pipes)
        self._send(self._channel.new_deadline())

    def _confirm(self, job: DrainJob, pipes: Sequence[Pipe]) -> None:
        """Wait until the pump has the pipes; only worth it if it might be unable to."""
        answer = self._ask({"do": "confirm", "id": job.number})
        taken = answer["taken"]
        if taken is None or not {pipe.source for pipe in pipes}.issubset(taken):
            raise OSError(errno.EMFILE, "the drain could not take over the pipes")
        self._channel.room = answer["room"]

    def _send(self, deadline: float = 0) -> None:
        """Send what is queued. Raises `LateAnswerError` if the pump does not take it in time."""
        try:
            self._channel.send(deadline)
        except GONE:
            self._take_over()  # the new pump is given everything, this included

    def _ask(self, request: Request) -> Answer:
        """Send what is queued and a question; return its answer."""
        deadline = self._channel.new_deadline()
        while True:
            channel = self._channel
            try:
                return channel.ask(request, deadline)
            except GONE:
                if channel is self._channel:  # else: taken over meanwhile, by a signal's handler
                    with deferred_interrupts():
                        self._take_over()

    # -- what a pump says of a recording --------------------------------------------------------

    def _catch_up(self, job: DrainJob) -> None:
        """Have everything recorded that is in the pipes of a job, if the pump answers in time."""
        deadline = self._channel.new_deadline()
        with contextlib.suppress(LateAnswerError):
            self._await_answer(job, deadline)  # of an earlier question
            self._ask_and_await(job, deadline)
            if job.number in self._jobs and (job.lacking or job.is_unknown):
                self._give_what_is_lacking(job)
                self._ask_and_await(job, deadline)
        if not job.state.writing:  # the pump has released it by itself
            self._forget(job)

    def _ask_and_await(self, job: DrainJob, deadline: float) -> None:
        answers = job.answers
        while job.number in self._jobs and job.state.writing and job.answers == answers:
            job.failed = None
            self._ask_for_all(job, stopped=job.is_over, sources=list(job.pipes))
            self._send(deadline)
            self._await_answer(job, deadline)

    def _give_what_is_lacking(self, job: DrainJob) -> None:
        """Give the pump what it could not take when it was sent, or let go of too late.

        If that fails again, the next look tries again.
        """
        with deferred_interrupts(), contextlib.ExitStack() as opened:
            try:
                if job.is_unknown:
                    others = [each for each in self._jobs.values() if each is not job]
                    enqueue_all(self._channel, [job], reopened([job], opened), others)
                else:
                    pipes = [job.pipes[source] for source in job.lacking if source in job.pipes]
                    for request, fds in job.add_requests(pipes):
                        self._channel.enqueue(request, fds)
                self._send(self._channel.new_deadline())
            except OSError as error:
                if error.errno not in _NO_DESCRIPTORS:
                    raise
            finally:
                self._channel.discard(job.number)

    def _ask_for_all(self, job: DrainJob, stopped: bool, sources: list[int]) -> None:
        """Queue the request to record everything that is in the pipes; the answer is noted."""
        with deferred_interrupts():  # an answer is waited for if and only if it was asked for
            self._channel.enqueue_question(
                {"do": "sync", "id": job.number, "stopped": stopped, "sources": sources},
                lambda answer: self._note_answer(job, answer, stopped),
            )
            job.awaits_answer = True
            self._unanswered.append(job)

    def _note_answer(self, job: DrainJob, answer: Answer, stopped: bool) -> None:
        if job in self._unanswered:  # else: the pump was taken for gone
            self._unanswered.remove(job)
            job.take_answer(answer)
            if stopped and "error" not in answer and not job.is_unknown:
                job.copies.clear()  # a pump that takes over must not go on with them

    def _await_answer(self, job: DrainJob, deadline: float) -> None:
        """Wait for the answer to what was asked of a job, if that has not come."""
        while job.awaits_answer:  # a signal's handler, too, may take the answer
            channel = self._channel
            try:
                channel.take_answer(deadline)
            except GONE:
                if channel is not self._channel:  # taken over meanwhile, by a signal's handler
                    continue
                with deferred_interrupts():
                    if job.number in self._jobs:
                        self._take_over()
                    else:
                        self._forget_unanswered()

    def _forget_unanswered(self) -> None:
        """The pump is gone. What it would have answered is known from what it has written."""
        while self._unanswered:
            job = self._unanswered.pop()
            job.awaits_answer = False
            with contextlib.suppress(OSError):
                dropped, number = dropped_bytes(job.path + ".index")
                job.state.dropped = dropped
                job.state.dropped_why = os.strerror(number) if number else None

    def _forget(self, job: DrainJob) -> None:
        """Nothing more of a job is written."""
        with deferred_interrupts():
            self._jobs.pop(job.number, None)
            job.close_pipes()

    # -- when the pump dies ---------------------------------------------------------------------

    def watch(self) -> None:
        """Begin to watch over the helper. Raises `OSError` if no thread can be had."""
        control = self.host.control
        if self.host.outlives_us and self._is_ours() and control.is_ours() and not self._watcher:
            self._watcher = Watcher(
                control,
                lambda: self._pump_died(control),
                lambda: self._end_if_stuck(control),
            )

    def stop_watching(self) -> None:
        """Let nobody notice if the helper dies."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()  # which may wait for our lock: not to be called with it

    def _pump_died(self, control: Socket) -> bool:
        """Take over if ``control`` is still the socket in use, and something is recorded.

        Returns False if that has to be tried again.
        """
        with self._lock:
            if control is not self.host.control or not self._is_ours() or not self._jobs:
                return True
            try:
                self._take_over()
            except OSError:
                return False
        self._show_notices_if_idle()
        return True

    def _end_if_stuck(self, control: Socket) -> None:
        """Kill a pump that does nothing while a writer waits for it: its death is noticed.

        Only a writer that waits is reason enough: a pump that was stopped, or waits for a file
        system, may go on any time. One that cannot be killed yet goes on writing until it is; so
        nobody else does.
        """
        if not self._jobs:
            return
        with self._lock:
            if control is not self.host.control or not self._is_ours():
                return
            full = [job for job in self._jobs.values() if job.has_full_pipe()]
            was_full, self._is_full = self._is_full, bool(full)
            if not (was_full and full):
                return
            with contextlib.suppress(OSError):
                for job in full:
                    self._catch_up(job)
            if self._channel.is_late:
                self.host.end()

    def _take_over(self) -> None:
        """Go on in a thread with everything that the dead pump had in hand.

        Raises `OSError`, with nothing changed, if the system does not allow it at present.
        """
        self._notice_loss()
        with deferred_interrupts():  # two pumps must never write at once
            host, channel = resume_in_thread(list(self._jobs.values()))
            dead, self.host, self._channel = self.host, host, channel
            self._released.clear()  # nobody reads their pipes any more
            self._forget_unanswered()
            dead.close()
        if dead.outlives_us:
            self.notices.add(
                "the ipyfdcapture helper process was killed; a thread has taken over and nothing "
                "was lost. The next capture starts a new helper"
            )

    def _notice_loss(self) -> None:
        """If somebody closed our end of the control socket, forget all: it is lost to us.

        Who closes one descriptor that is not his closes them all. The pump does the same.
        """
        control = self.host.control
        if not self._is_ours() or control.fileno() < 0 or control.is_ours():
            return
        with deferred_interrupts():
            self.host.close()
            self._channel.forget()
            self._forget_unanswered()
            if self._jobs:
                self.notices.add(
                    "this process closed the descriptors of a capture (as os.closerange() does): "
                    "what was written since then is not in its log"
                )
            while self._jobs:
                job = self._jobs.popitem()[1]
                job.close_pipes()
                job.state.writing = False

    def _show_notices_if_idle(self) -> None:
        """Warn of what happened, but not into what is being captured."""
        if all(job.stopped for job in self._jobs.values()):
            self.notices.show()

    # -- the end --------------------------------------------------------------------------------

    def close_if_idle(self) -> None:
        """Stop a thread that empties pipes, if nothing is recorded. A helper lives on."""
        if self._is_retired or not self.host.outlives_us:
            self._close_if_idle()

    def retire(self) -> None:
        """Take nothing new, and close what leads to the pump once it has nothing in hand."""
        self._is_retired = True
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        with deferred_interrupts():
            with self._lock:
                self._notice_loss()
                if self._jobs or not self._is_ours():
                    return
                self._forget_unanswered()
                self.host.close()
            self.stop_watching()  # of a helper that has died

    def say_goodbye(self) -> None:
        """The process ends in peace: what is being captured is not kept."""
        with self._lock, contextlib.suppress(OSError):
            if self.host.outlives_us and self._is_ours():
                self._channel.enqueue({"do": "bye"})
                self._channel.send()

    def reset_after_fork(self) -> None:
        """In a forked child: close what is the parent's, without a word to its pump."""
        self.host.reset_after_fork()
        for job in self._jobs.values():
            with contextlib.suppress(OSError):
                job.close_pipes()
        self._jobs.clear()
