"""What leads to one pump: what it has in hand, what it owes, and what happens when it dies.

A pump that lives and does not answer is not replaced: two must never write at once. What it has
in hand waits for it, and new captures use another (`PumpLink.is_usable`). Only one that moves
nothing while a writer waits for it is killed first (`ipyfdcapture.drain.watcher`).
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence

from ..recording.format import dropped_bytes
from ..system.descriptors import Socket
from ..system.forking import fork_safe_lock
from ..system.interrupts import deferred_interrupts
from .channel import GONE, Answer, Channel, LateAnswerError
from .host import Host
from .job import DrainJob, Pipe
from .notices import Notices
from .protocol import Request
from .taking_over import enqueue_all, reopened, resume_in_thread
from .watcher import Watcher

#: What a helper that is killed loses: see `ipyfdcapture.recording.writer`.
_LOST = (
    "nothing was lost"
    if hasattr(os, "splice")
    else "what it was moving just then may be missing (64 KiB at most)"
)
#: How the system says that there are no descriptors: there may be some at the next look.
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)


class PumpLink:
    """One pump, and the one in a thread that goes on with its work if it dies.

    Whoever uses it holds its `lock`.

    Parameters
    ----------
    host
        The running pump. Owned by the link from now on, also if it raises.

    Raises
    ------
    OSError
        If there can be no thread that watches over a helper process.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.channel = Channel(host.control, is_local=not host.outlives_us)
        self.lock = fork_safe_lock()
        #: What the pump records, by number.
        self.jobs: dict[int, DrainJob] = {}
        #: Released recordings whose pipes had writers: where they come from, and their sources.
        self.released: dict[int, tuple[str, list[tuple[int, str]]]] = {}
        #: What the user is to be told once nothing is captured any more.
        self.notices = Notices()
        #: The directories to whose files the pump has been seen to splice: what is neither in a
        #: pipe nor in the transit is in the file then, and never in the pump's memory.
        self.splices_to: set[str] = set()
        #: The jobs that await an answer.
        self._unanswered: list[DrainJob] = []
        #: Whether a pipe was nearly full at the last look, see `_end_if_stuck`.
        self._is_full = False
        self._owner = os.getpid()
        self._watcher: Watcher | None = None
        try:
            self.watch()
        except BaseException:
            host.close()
            raise

    @property
    def is_usable(self) -> bool:
        """Whether new recordings may be handed to the pump."""
        return self.host.is_usable and self.is_ours() and not self.channel.is_late

    def is_ours(self) -> bool:
        """Whether this is the process that made it, and no forked child."""
        return self._owner == os.getpid()

    # -- what the pump is sent ------------------------------------------------------------------

    def send_pipes(self, job: DrainJob, pipes: Sequence[Pipe]) -> None:
        """Have pipes emptied into the recording of a job.

        Raises `OSError` if the pump cannot have them, or does not take them in time.
        """
        for request, fds in job.add_requests(pipes):
            self.channel.enqueue(request, fds)
        if self.channel.is_short_of_room:
            self._confirm(job, pipes)
        self.send(self.channel.new_deadline())

    def _confirm(self, job: DrainJob, pipes: Sequence[Pipe]) -> None:
        """Wait until the pump has the pipes; only worth it if it might be unable to."""
        answer = self.ask({"do": "confirm", "id": job.number})
        taken = answer["taken"]
        if taken is None or not {pipe.source for pipe in pipes}.issubset(taken):
            raise OSError(errno.EMFILE, "the drain could not take over the pipes")
        self.channel.room = answer["room"]

    def send(self, deadline: float = 0) -> None:
        """Send what is queued. Raises `LateAnswerError` if the pump does not take it in time."""
        try:
            self.channel.send(deadline)
        except GONE:
            self.take_over()  # the new pump is given everything, this included

    def ask(self, request: Request) -> Answer:
        """Send what is queued and a question; return its answer."""
        deadline = self.channel.new_deadline()
        while True:
            channel = self.channel
            try:
                return channel.ask(request, deadline)
            except GONE:
                if channel is self.channel:  # else: taken over meanwhile, by a signal's handler
                    with deferred_interrupts():
                        self.take_over()

    # -- what a pump says of a recording --------------------------------------------------------

    def catch_up(self, job: DrainJob) -> None:
        """Have everything recorded that is in the pipes of a job, if the pump answers in time."""
        deadline = self.channel.new_deadline()
        with contextlib.suppress(LateAnswerError):
            self._await_answer(job, deadline)  # of an earlier question
            self._ask_and_await(job, deadline)
            if job.number in self.jobs and (job.lacking or job.is_unknown):
                self._give_what_is_lacking(job)
                self._ask_and_await(job, deadline)
        if not job.state.writing:  # the pump has released it by itself
            self.forget(job)

    def _ask_and_await(self, job: DrainJob, deadline: float) -> None:
        answers = job.answers
        while job.number in self.jobs and job.state.writing and job.answers == answers:
            job.failed = None
            self.ask_for_all(job, stopped=job.is_over, sources=list(job.pipes))
            self.send(deadline)
            self._await_answer(job, deadline)

    def _give_what_is_lacking(self, job: DrainJob) -> None:
        """Give the pump what it could not take when it was sent, or let go of too late.

        If that fails again, the next look tries again.
        """
        with deferred_interrupts(), contextlib.ExitStack() as opened:
            try:
                if job.is_unknown:
                    others = [each for each in self.jobs.values() if each is not job]
                    enqueue_all(self.channel, [job], reopened([job], opened), others)
                else:
                    pipes = [job.pipes[source] for source in job.lacking if source in job.pipes]
                    for request, fds in job.add_requests(pipes):
                        self.channel.enqueue(request, fds)
                self.send(self.channel.new_deadline())
            except OSError as error:
                if error.errno not in _NO_DESCRIPTORS:
                    raise
            finally:
                self.channel.discard(job.number)

    def ask_for_all(self, job: DrainJob, stopped: bool, sources: list[int]) -> None:
        """Queue the request to record everything that is in the pipes; the answer is noted."""
        with deferred_interrupts():  # an answer is waited for if and only if it was asked for
            self.channel.enqueue_question(
                {"do": "sync", "id": job.number, "stopped": stopped, "sources": sources},
                lambda answer: self._note_answer(job, answer, stopped, sources),
            )
            job.awaits_answer = True
            self._unanswered.append(job)

    def _note_answer(
        self, job: DrainJob, answer: Answer, stopped: bool, sources: list[int]
    ) -> None:
        if job in self._unanswered:  # else: the pump was taken for gone
            self._unanswered.remove(job)
            job.take_answer(answer, sources)
            if answer.get("spliced", False):
                self.splices_to.add(os.path.dirname(job.path))
            if stopped and "error" not in answer and not job.is_unknown:
                job.copies.clear()  # a pump that takes over must not go on with them

    def _await_answer(self, job: DrainJob, deadline: float) -> None:
        """Wait for the answer to what was asked of a job, if that has not come."""
        while job.awaits_answer:  # a signal's handler, too, may take the answer
            channel = self.channel
            try:
                channel.take_answer(deadline)
            except GONE:
                if channel is not self.channel:  # taken over meanwhile, by a signal's handler
                    continue
                with deferred_interrupts():
                    if job.number in self.jobs:
                        self.take_over()
                    else:
                        self.forget_unanswered()

    def forget_unanswered(self) -> None:
        """The pump is gone. What it would have answered is known from what it has written."""
        while self._unanswered:
            job = self._unanswered.pop()
            job.note_answered()
            with contextlib.suppress(OSError):
                dropped, number = dropped_bytes(job.path + ".index")
                job.state.dropped = dropped
                job.state.dropped_why = os.strerror(number) if number else None

    def forget(self, job: DrainJob) -> None:
        """Nothing more of a job is written."""
        with deferred_interrupts():
            self.jobs.pop(job.number, None)
            job.close_pipes()
            if job.finalizer is not None:
                job.finalizer.detach()  # there is nothing to release

    # -- when the pump dies ---------------------------------------------------------------------

    def watch(self) -> None:
        """Begin to watch over the helper. Raises `OSError` if no thread can be had."""
        control = self.host.control
        if self.host.outlives_us and self.is_ours() and control.is_ours() and not self._watcher:
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
        with self.lock:
            if control is not self.host.control or not self.is_ours() or not self.jobs:
                return True
            try:
                self.take_over()
            except OSError:
                return False
        self.show_notices_if_idle()
        return True

    def _end_if_stuck(self, control: Socket) -> None:
        """Kill a pump that does nothing while a writer waits for it: its death is noticed.

        Only a writer that waits is reason enough: a pump that was stopped, or waits for a file
        system, may go on any time. One that cannot be killed yet goes on writing until it is; so
        nobody else does.
        """
        if not self.jobs:
            return
        with self.lock:
            if control is not self.host.control or not self.is_ours():
                return
            full = [job for job in self.jobs.values() if job.has_full_pipe()]
            was_full, self._is_full = self._is_full, bool(full)
            if not (was_full and full):
                return
            with contextlib.suppress(OSError):
                for job in full:
                    self.catch_up(job)
            if self.channel.is_late:
                self.host.end()

    def take_over(self) -> None:
        """Go on in a thread with everything that the dead pump had in hand.

        Raises `OSError`, with nothing changed, if the system does not allow it at present.
        """
        self.notice_loss()
        with deferred_interrupts():  # two pumps must never write at once
            host, channel = resume_in_thread(list(self.jobs.values()))
            dead, self.host, self.channel = self.host, host, channel
            self.released.clear()  # nobody reads their pipes any more
            self.forget_unanswered()
            dead.close()
        if dead.outlives_us:
            self.notices.add(
                "the ipyfdcapture helper process was killed; a thread has taken over and "
                f"{_LOST}. The next capture starts a new helper"
            )

    def notice_loss(self) -> None:
        """If somebody closed our end of the control socket, forget all: it is lost to us.

        Who closes one descriptor that is not his closes them all. The pump does the same.
        """
        control = self.host.control
        if not self.is_ours() or control.fileno() < 0 or control.is_ours():
            return
        with deferred_interrupts():
            self.host.close()
            self.channel.forget()
            self.forget_unanswered()
            if self.jobs:
                self.notices.add(
                    "this process closed the descriptors of a capture (as os.closerange() does): "
                    "what was written since then is not in its log"
                )
            while self.jobs:
                job = self.jobs.popitem()[1]
                job.close_pipes()
                job.state.writing = False

    def show_notices_if_idle(self) -> None:
        """Warn of what happened, but not into what is being captured."""
        if all(job.stopped for job in self.jobs.values()):
            self.notices.show()

    # -- the end --------------------------------------------------------------------------------

    def close_if_idle(self) -> None:
        """Close what leads to the pump, unless it has something in hand."""
        with deferred_interrupts():
            with self.lock:
                self.notice_loss()
                if self.jobs or not self.is_ours():
                    return
                self.forget_unanswered()
                self.host.close()
            self.stop_watching()  # of a helper that has died

    def reset_after_fork(self) -> None:
        """In a forked child: close what is the parent's, without a word to its pump."""
        self.host.reset_after_fork()
        for job in self.jobs.values():
            with contextlib.suppress(OSError):
                job.close_pipes()
        self.jobs.clear()
