"""The kernel's side of one pump.

A `Drain` is what captures and recordings ask: it hands pipes to a pump, has it bring a recording
up to date, and releases what nobody keeps. How it talks with the pump, and goes on when that
dies, is in `ipyfdcapture.drain.link`.
"""

from __future__ import annotations

import _thread
import contextlib
import errno
import os
from collections.abc import Callable, Sequence

from ..recording.recording import Recording, State
from ..recording.sources import origin_of
from ..recording.spool import Spool
from ..system import clock
from ..system.finalizers import Finalizer
from ..system.forking import is_owned
from ..system.interrupts import deferred_interrupts
from ..system.threads import Counter, is_emptying_pipes
from ..system.waker import Waker
from . import protocol
from .channel import GONE, LateAnswerError, check_answer
from .host import Host
from .job import DrainJob, Pipe, PipeReservation
from .kept import adopt_kept, copy_kept
from .link import PumpLink
from .notices import Notices

#: The numbers of recordings: the higher, the newer. One may go from one drain to another.
_numbers = Counter()


class Drain:
    """Serves captures with one pump. Safe to use from any thread.

    It is made of a running ``host`` as its `PumpLink` is, and raises what that raises.
    """

    def __init__(self, host: Host) -> None:
        self._link = PumpLink(host)
        self._spools: list[Spool] = []
        #: Whether the pump has said that it is one.
        self.was_greeted = False
        self._is_retired = False

    @property
    def host(self) -> Host:
        """What its pump runs in at present."""
        return self._link.host

    @property
    def notices(self) -> Notices:
        """What the user is to be told once nothing is captured any more."""
        return self._link.notices

    @property
    def is_usable(self) -> bool:
        """Whether new recordings may be handed to it."""
        return self._link.is_usable

    def watch(self) -> None:
        """Begin to watch over the helper. Raises `OSError` if no thread can be had."""
        self._link.watch()

    @property
    def is_in_use_here(self) -> bool:
        """Whether this thread is amid something that it asks of it: a finalizer may run then."""
        return is_owned(self._link.lock)

    def stop_watching(self) -> None:
        """Let nobody notice if the helper dies."""
        self._link.stop_watching()

    def greet(self, limit_s: float) -> None:
        """Wait until the pump has said that it is one, if it has not yet.

        Raises `OSError` if it does not within ``limit_s`` seconds, or is of another version, and
        is ended then, or if it has ended; `LateAnswerError` if the user interrupts.
        """
        with self._link.lock:
            if self.was_greeted or not self._link.host.outlives_us:
                return
            try:
                answer = self._link.channel.ask({"do": "hello"}, clock.monotonic() + limit_s)
            except GONE:
                raise OSError(errno.ECHILD, f"{self._link.host} ended without an answer") from None
            except LateAnswerError:
                if not self._link.channel.is_late:
                    raise  # the user has interrupted
                self._link.host.end()
                message = f"{self._link.host} did not answer within {limit_s:g} s"
                raise OSError(errno.ETIMEDOUT, message) from None
            if answer.get("version") != protocol.VERSION:
                self._link.host.end()
                raise OSError(
                    errno.ESTALE,
                    "another version of ipyfdcapture was installed since it was loaded: restart "
                    "the kernel",
                )
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
        job = DrainJob(self, _numbers.next(), recording.path, limit, crash_dir)
        job.pipes = {pipe.source: pipe for pipe in pipes}
        if is_capture:
            job.origin = origin_of(recording.metadata.cell, job.number)
        try:
            job.open_transit()
            with self._link.lock:
                host = self._link.host
                if not (host.outlives_us or host.is_usable):
                    self._link.take_over()  # a thread that had nothing left to do has ended
                self._link.jobs[job.number] = job
                self._link.channel.take_answers()
                is_new = self._link.host.outlives_us and spool not in self._spools
                if is_new:
                    self._link.channel.enqueue({"do": "spool", "path": spool.path}, [spool.lock_fd])
                keep_crash = self._link.host.outlives_us
                self._link.channel.enqueue(*job.record_request(files, keep_crash))
                self._link.send_pipes(job, pipes)
                if is_new:
                    self._spools.append(spool)
        except BaseException:
            with self._link.lock:
                self._link.channel.discard(job.number)
                self._link.jobs[job.number] = job
            self.release(job)
            raise
        finally:
            for fd in files:
                os.close(fd)
        recording.writing = job
        job.finalizer = Finalizer(recording, job.release)
        return job

    def add(self, job: DrainJob, pipes: Sequence[Pipe]) -> None:
        """Have more ``pipes`` emptied into the recording of ``job``; takes them over.

        Raises `OSError`, with them closed, if the drain cannot have them.
        """
        with deferred_interrupts(), self._link.lock:
            self._link.notice_loss()
            if job.number not in self._link.jobs:
                for pipe in pipes:
                    pipe.close()
                raise OSError(errno.EPIPE, "the log is complete: nothing can be added to it")
            for pipe in pipes:
                job.pipes[pipe.source] = pipe
            try:
                self._link.send_pipes(job, pipes)
            except BaseException:
                self._link.channel.discard(job.number)
                for pipe in pipes:
                    if job.pipes.pop(pipe.source, None) is not None:
                        pipe.close()
                raise

    def wake(self, job: DrainJob, waker: Waker) -> None:
        """Have a thread woken when something was recorded for ``job``.

        If that cannot be, nobody is woken.
        """
        link = self._link
        with deferred_interrupts(), link.lock, contextlib.suppress(OSError):
            link.notice_loss()
            if job.number in link.jobs:
                ends = job.add_waker(waker)
                try:
                    link.channel.enqueue({"do": "wake", "id": job.number}, ends)
                    link.send(link.channel.new_deadline())
                finally:
                    link.channel.discard(job.number)  # what was not sent: they close with the job

    def reserve(self, job: DrainJob) -> PipeReservation | None:
        """Have ``job`` wait for pipes that are yet to be added; None if it is too late."""
        with self._link.lock:
            return PipeReservation(job) if job.number in self._link.jobs else None

    def update(self, job: DrainJob) -> State:
        """Have everything recorded that is in the pipes of ``job``.

        If the pump does not answer in time, what it answers later is noted when somebody looks
        again; until then the recording counts as still being written.
        """
        with self._link.lock:
            self._link.notice_loss()
            was_known = job.number in self._link.jobs
            self._link.catch_up(job)
            if job.awaits_answer and not job.is_known_to_wait:
                job.is_known_to_wait = True
                self.notices.add(
                    "the ipyfdcapture helper process does not answer (is it stopped, or does a "
                    "disk hang?): the log has the rest once it goes on"
                )
            failed, job.failed = job.failed, None
        self._link.show_notices_if_idle()
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
        with self._link.lock:
            self._link.notice_loss()
            if job.number not in self._link.jobs:
                return
            splices = os.path.dirname(job.path) in self._link.splices_to
            can_tell = self._link.host.outlives_us and splices and not job.copies
            is_recorded = can_tell and job.is_over and job.has_all()
            if is_recorded:
                # Of no pipe: what the pump has not had of them is nothing.
                self._link.ask_for_all(job, stopped=True, sources=[])
                job.state.writing = False
                self._link.forget(job)
                with contextlib.suppress(LateAnswerError):
                    self._link.send()
        if is_recorded:
            self.close_if_idle()
        else:
            self.update(job)

    def release(self, job: DrainJob) -> None:
        """Keep nothing more of ``job``. Also called by finalizers."""
        if self.postpones(lambda: self.release(job)):
            return
        with deferred_interrupts(), self._link.lock:
            self._link.notice_loss()
            if job.number not in self._link.jobs:
                return
            if job.origin is not None and (living := job.living_sources()):
                self._link.released[job.number] = job.origin, living
            with contextlib.suppress(OSError):
                channel = None
                while channel is not self._link.channel:  # else: one that took over goes on with it
                    channel = self._link.channel
                    channel.enqueue({"do": "release", "id": job.number})
                    self._link.send()
            self._link.forget(job)
        self.close_if_idle()

    def postpones(self, function: Callable[[], object]) -> bool:
        """If this thread is using the drain, have another call ``function``, and say so.

        For finalizers: they run wherever they are due, also amid what is done under the lock, or
        in the thread that empties the pipes.
        """
        if not self.is_in_use_here and not is_emptying_pipes():
            return False
        with contextlib.suppress(RuntimeError):  # no thread to be had: at exit, then
            _thread.start_new_thread(function, ())
        return True

    # -- what processes write that earlier captures started -------------------------------------

    def copy_kept(self, job: DrainJob, recording: Recording) -> None:
        """Record in ``job``, too, what processes write that earlier captures started."""
        copy_kept(self._link, job, recording)

    def adopt_kept(self, other: Drain) -> None:
        """Go on with the recordings of another drain whose captures have stopped, if possible."""
        if other is not self:
            adopt_kept(self._link, self, other._link)
            other.close_if_idle()

    # -- the end --------------------------------------------------------------------------------

    def close_if_idle(self) -> None:
        """Stop a thread that empties pipes, if nothing is recorded. A helper lives on."""
        if self._is_retired or not self.host.outlives_us:
            self._link.close_if_idle()

    def retire(self) -> None:
        """Take nothing new, and close what leads to the pump once it has nothing in hand."""
        self._is_retired = True
        self._link.close_if_idle()

    def say_goodbye(self) -> None:
        """The process ends in peace: what is being captured is not kept."""
        link = self._link
        with link.lock, contextlib.suppress(OSError):
            if link.host.outlives_us and link.is_ours():
                link.channel.enqueue({"do": "bye"})
                link.channel.send()

    def reset_after_fork(self) -> None:
        """In a forked child: close what is the parent's, without a word to its pump."""
        self._link.reset_after_fork()
