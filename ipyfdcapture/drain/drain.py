"""The kernel's side of the drain.

A `Drain` hands pipes to a pump over a control socket, asks it to bring a recording up to date,
and takes over when the pump dies.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import errno
import itertools
import json
import os
import select
import socket
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import CaptureError, reason
from ..recording.format import dropped_bytes
from ..recording.recording import Recording, State
from ..recording.spool import Spool
from ..recording.writer import CHUNK_BYTES
from ..system.descriptors import Descriptor, Socket
from ..system.finalizers import Finalizer
from ..system.forking import Stage, at_fork, fork_safe_lock
from ..system.interrupts import deferred_interrupts
from ..system.pipes import open_pipe, out_of_the_way, waiting_bytes
from ..system.polling import at_end
from .host import Host, ProcessHost, ThreadHost

#: How a pump that is gone shows; anything else is a fault of the request.
_GONE = (BrokenPipeError, ConnectionResetError)
#: Descriptors that go with one request at most (the system's limit is 253).
_FDS_PER_REQUEST = 240

#: How long to wait for the watcher's thread to see that it is no longer needed.
_WATCHER_END_S = 5.0
_TASK_END_S = 0.00005

#: How often to look whether nobody holds a recording any more.
_HOLD_S = 0.02
#: How long to wait for an answer before looking whether it has been taken, in ms.
_ANSWER_MS = 1000

#: How long to wait before trying again to take over from a helper that was killed.
_RETRY_S = 0.02
#: Descriptors that a thread as host needs for itself, and to be handed a recording.
_FDS_OF_A_THREAD_HOST = 6
#: Those of a recording, without its pipes: data, index, the two tails, the transit.
_FDS_OF_A_RECORDING = 6

KINDS = ("auto", "process", "thread")


@dataclass
class Pipe:
    """The kernel's hold on one pipe: where it is read, where else its bytes could go."""

    source: int
    read_end: int
    #: Where bytes go that nobody keeps any more. None: nowhere.
    original: int | None = None

    def __post_init__(self) -> None:
        self._fds = [Descriptor(fd) for fd in (self.read_end, self.original) if fd is not None]

    def close(self) -> None:
        """Let go of both descriptors."""
        for fd in self._fds:
            fd.close()


@dataclass
class Draining:
    """One recording that a drain writes: the `Writing` side of it."""

    drain: Drain
    number: int
    path: str
    max_bytes: int | None
    crash_dir: str | None
    #: A pipe from the pump to the pump, see `ipyfdcapture.recording.writer.RecordingWriter`.
    transit: tuple[Descriptor, Descriptor] | None = None
    pipes: dict[int, Pipe] = field(default_factory=dict)
    stopped: bool = False
    state: State = field(default_factory=lambda: State(writing=True))
    #: The number of a question whose answer was not waited for.
    asked: int | None = None
    #: How many there are who may still add pipes.
    holds: int = 0
    owner: int = field(default_factory=os.getpid)

    def update(self) -> State:
        """Have everything that is in the pipes recorded."""
        if self.owner != os.getpid():
            # A forked child sees what is recorded; asking for more is its parent's affair.
            return State(self.state.dropped, self.state.dropped_why, writing=True)
        return self.drain.update(self)

    def stop(self) -> None:
        """Like `update`, for the end of the capture. Writers that live on are still recorded."""
        self.stopped = True
        if self.owner == os.getpid():
            self.drain.stop(self)

    def wait(self, timeout: float | None) -> bool:
        """Wait (s) until all writers are gone; tell whether they are."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._wait_for_pipes(deadline):
            if not self.holds:
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(_HOLD_S)
        return False

    def _wait_for_pipes(self, deadline: float | None) -> bool:
        for pipe in list(self.pipes.values()):
            # No event is asked for: the poll ends when the last writer has closed.
            waiter = select.poll()
            waiter.register(pipe.read_end, 0)
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not waiter.poll(None if left is None else left * 1000):
                return False
        return True

    @property
    def is_over(self) -> bool:
        """Whether no further pipes can come."""
        return self.stopped and not self.holds

    def note(self, answer: dict[str, Any]) -> None:
        """Take what the pump tells of it."""
        is_open = set(answer["open"])
        for source in [source for source in self.pipes if source not in is_open]:
            self.pipes.pop(source).close()
        self.state = State(
            answer["dropped"], answer["dropped_why"], writing=bool(is_open) or not self.is_over
        )

    def close_pipes(self) -> None:
        """Let go of the kernel's hold on the pipes."""
        while self.pipes:
            self.pipes.popitem()[1].close()
        if self.transit is not None:
            for end in self.transit:
                end.close()
            self.transit = None

    def has_all(self) -> bool:
        """Tell whether everything is recorded and nobody can write any more."""
        return all(at_end(pipe.read_end) for pipe in self.pipes.values()) and not (
            self.transit and waiting_bytes(self.transit[0])
        )

    def hold(self) -> Hold | None:
        """Have it wait for pipes that are yet to be added; None if it is too late for that."""
        with self.drain.lock:
            return Hold(self) if self.drain.has(self) else None

    def add(self, pipes: list[Pipe]) -> None:
        """Have more pipes emptied into this recording. See `Drain.add`."""
        self.drain.add(self, pipes)

    def release(self) -> None:
        """Keep nothing more; a writer that lives on is not disturbed."""
        if self.owner == os.getpid():
            self.drain.release(self)


class Hold:
    """While it is held, a recording is not complete: pipes may still be added."""

    def __init__(self, job: Draining) -> None:
        self._job: Draining | None = job
        job.holds += 1

    def let_go(self) -> None:
        """Nothing more will be added. Idempotent."""
        job = self._job
        self.__del__()
        if job is not None and job.is_over and job.owner == os.getpid():
            job.drain.stop(job)

    def __del__(self) -> None:
        # No more than that: this runs wherever the last reference goes.
        job, self._job = self._job, None
        if job is not None:
            job.holds -= 1


def _open_transit() -> tuple[Descriptor, Descriptor] | None:
    if not hasattr(os, "splice"):
        return None
    read_end, write_end = open_pipe(CHUNK_BYTES)
    return Descriptor(read_end), Descriptor(write_end)


class Drain:
    """The kernel's side of one pump.

    Safe to use from any thread. Requests are answered one at a time; a pump that dies is
    replaced by one in a thread, which goes on where it stopped.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.lock = threading.RLock()
        self._jobs: dict[int, Draining] = {}
        self._numbers = itertools.count(1)
        # A signal's handler may ask something while an answer is waited for. So requests are
        # queued whole, and answers are kept for whom they are for.
        self._unsent: list[tuple[bytes, Sequence[int]]] = []
        self._received = b""
        self._answers: dict[int, dict[str, Any] | None] = {}
        self._unanswered: dict[int, Draining] = {}
        self._room = 0  # so many more descriptors the pump can take for sure
        self._spools: list[Spool] = []
        self._owner = os.getpid()
        self._news: list[str] = []
        self._watcher: _Watcher | None = None
        try:
            self.watch()
        except BaseException:
            host.close()
            raise

    @property
    def is_usable(self) -> bool:
        """Whether new recordings may be handed to it."""
        return self.host.is_usable and self._owner == os.getpid()

    def postpones(self, function: Callable[[], object]) -> bool:
        """If this thread is using the drain, have another call ``function``, and say so.

        For finalizers: they run wherever they are due, also amid what is done under the lock.
        """
        if not self.lock._is_owned():  # type: ignore[attr-defined]
            return False
        with contextlib.suppress(RuntimeError):  # no thread to be had: at exit, then
            _thread.start_new_thread(function, ())
        return True

    def has(self, job: Draining) -> bool:
        """Whether ``job`` is still recorded."""
        return job.number in self._jobs

    # -- what a capture asks --------------------------------------------------------------------

    def record(
        self,
        recording: Recording,
        spool: Spool,
        files: tuple[int, int],
        crash_dir: str | None,
        pipes: Sequence[Pipe] = (),
    ) -> Draining:
        """Begin to write ``recording`` from ``pipes``.

        Takes over ``files``, the descriptors of its data and index, and the pipes. Raises
        `OSError` if the drain cannot have them.
        """
        job = Draining(
            self, next(self._numbers), recording.path, recording.metadata.max_bytes, crash_dir
        )
        job.pipes = {pipe.source: pipe for pipe in pipes}
        try:
            job.transit = _open_transit()
            with self.lock:
                if not self.host.is_usable:  # a thread that had nothing left to do has ended
                    self._take_over()
                self._jobs[job.number] = job
                self._take_answers()
                self._announce(spool)
                self._tell_of_record(job, files)
                self._tell_of_pipes(job, pipes)
                if self._room < 0:
                    self._confirm(job, pipes)
                self._send_off()
        except BaseException:
            with self.lock:
                self._unsent.clear()  # it names descriptors that are closed now
                self._jobs[job.number] = job
            self.release(job)
            raise
        finally:
            for fd in files:
                os.close(fd)
        recording.writing = job
        Finalizer(recording, job.release)
        return job

    def _confirm(self, job: Draining, pipes: Sequence[Pipe]) -> None:
        """Wait until the pump has taken over; only worth it if it might be unable to."""
        answer = self._ask("confirm", id=job.number)
        taken = answer["taken"]
        if taken is None or not {pipe.source for pipe in pipes}.issubset(taken):
            raise OSError(errno.EMFILE, "the drain could not take over the pipes")
        if self.host.outlives_us:  # in this process, others take descriptors too
            self._room = answer["room"]

    def add(self, job: Draining, pipes: Sequence[Pipe]) -> None:
        """Have more ``pipes`` emptied into the recording of ``job``; takes them over.

        Raises `OSError`, with them closed, if the drain cannot have them.
        """
        with deferred_interrupts(), self.lock:
            self._notice_loss()
            if not self.has(job):
                for pipe in pipes:
                    pipe.close()
                raise OSError(errno.EPIPE, "the log is complete: nothing can be added to it")
            for pipe in pipes:
                job.pipes[pipe.source] = pipe
            try:
                self._tell_of_pipes(job, pipes)
                if self._room < 0:
                    self._confirm(job, pipes)
                self._send_off()
            except BaseException:
                for pipe in pipes:
                    if job.pipes.pop(pipe.source, None) is not None:
                        pipe.close()
                raise

    def update(self, job: Draining) -> State:
        """Have everything that is in the pipes of ``job`` recorded."""
        with self.lock:
            self._notice_loss()
            while job.asked is not None:  # also by a signal's handler, which may take the answer
                try:
                    self._take_an_answer(self.host.control)
                except _GONE:
                    self._forget_unanswered()
            if job.number not in self._jobs:
                return job.state
            answer = self._ask("sync", id=job.number, stopped=job.is_over)
            with deferred_interrupts():
                job.note(answer)
                if not job.state.writing:  # the pump has let go of it by itself
                    self._jobs.pop(job.number, None)
                    job.close_pipes()
        if not job.state.writing:
            self.rest()
        return job.state

    def stop(self, job: Draining) -> None:
        """Have everything recorded that was written before the capture of ``job`` ended.

        If the pipes are empty and nobody can write to them, it is recorded. Then the pump is
        asked, but not waited for: its answer is only needed when somebody looks.
        """
        with self.lock:
            self._notice_loss()
            if job.number not in self._jobs:
                return
            if self.host.outlives_us and job.is_over and job.has_all():
                job.asked = next(self._numbers)
                self._unanswered[job.asked] = job
                del self._jobs[job.number]
                job.state.writing = False
                job.close_pipes()
                self._tell("sync", reply=job.asked, id=job.number, stopped=True)
                self._send_off()
        if job.asked is None:
            self.update(job)
        else:
            self.rest()

    def release(self, job: Draining) -> None:
        """Keep nothing more of ``job``. Also called by finalizers."""
        if self.postpones(lambda: self.release(job)):
            return
        with deferred_interrupts(), self.lock:
            self._notice_loss()
            if self._jobs.pop(job.number, None) is None:
                return
            with contextlib.suppress(OSError):  # gone: it keeps nothing anyway
                self._tell("release", id=job.number)
                self._send()
            job.close_pipes()
        self.rest()

    # -- talking to the pump --------------------------------------------------------------------

    def _announce(self, spool: Spool) -> None:
        if self.host.outlives_us and spool not in self._spools:
            self._tell("spool", [spool.lock_fd], path=spool.path)
            self._spools.append(spool)

    def _tell_of_record(self, job: Draining, files: tuple[int, int]) -> None:
        self._tell(
            "record",
            (*files, *(job.transit or ())),
            id=job.number,
            path=job.path,
            max_bytes=job.max_bytes,
            crash_dir=job.crash_dir if self.host.outlives_us else None,
            stopped=job.stopped,
        )

    def _tell_of_pipes(self, job: Draining, pipes: Sequence[Pipe]) -> None:
        for start in range(0, len(pipes), _FDS_PER_REQUEST // 2):
            some = pipes[start : start + _FDS_PER_REQUEST // 2]
            fds: list[int] = []
            for pipe in some:
                fds += [pipe.read_end] if pipe.original is None else [pipe.read_end, pipe.original]
            self._tell(
                "add",
                fds,
                id=job.number,
                sources=[pipe.source for pipe in some],
                originals=[pipe.source for pipe in some if pipe.original is not None],
            )

    def _tell(self, what: str, fds: Sequence[int] = (), **fields: Any) -> None:
        """Have a request that needs no answer sent, together with what follows."""
        request = {"do": what, "fds": len(fds), **fields}
        self._room -= len(fds)
        self._unsent.append((json.dumps(request).encode() + b"\n", fds))

    def _send_off(self) -> None:
        """Send what there is to tell."""
        try:
            self._send()
        except _GONE:
            self._take_over()  # the new pump is told of everything, this included

    def _send(self) -> None:
        rest: list[tuple[bytes, Sequence[int]]] = []
        with deferred_interrupts():
            unsent, self._unsent = self._unsent, rest
            while unsent:
                lines, fds = b"", list[int]()
                while unsent and len(fds) + len(unsent[0][1]) <= _FDS_PER_REQUEST:
                    line, some = unsent.pop(0)
                    lines += line
                    fds += some
                control = self.host.control
                if not control.is_ours():
                    raise ConnectionResetError("the socket was closed")
                sent = socket.send_fds(control, [lines], fds) if fds else control.send(lines)
                if sent < len(lines):
                    control.sendall(lines[sent:])

    def _ask(self, what: str, **fields: Any) -> dict[str, Any]:
        """Send a request and return its answer."""
        while True:
            number = next(self._numbers)
            self._tell(what, reply=number, **fields)
            control = self.host.control
            try:
                self._send()
                answer = self._receive(control, number)
            except OSError as error:
                if control is self.host.control:  # else: taken over meanwhile
                    if not isinstance(error, _GONE):
                        raise
                    with deferred_interrupts():
                        self._take_over()
                continue
            if "error" in answer:
                raise OSError(errno.EIO, f"the drain failed: {answer['error']}")
            return answer

    def _receive(self, control: Socket, number: int) -> dict[str, Any]:
        self._answers[number] = None
        try:
            while (answer := self._answers[number]) is None:
                self._take_an_answer(control)
            return answer
        finally:
            del self._answers[number]

    def _take_an_answer(self, control: Socket) -> None:
        """Take the next answer, for whomever it is; wait for some of it if it has not come."""
        if b"\n" not in self._received:
            self._await_some(control)  # amid which a signal's handler may take the answer
        with deferred_interrupts():  # what is taken from the socket is noted
            if b"\n" not in self._received:
                with contextlib.suppress(BlockingIOError):
                    self._receive_some(control)
            if b"\n" in self._received:
                self._next_answer()

    def _await_some(self, control: Socket) -> None:
        waiter = select.poll()
        waiter.register(control, select.POLLIN)
        waiter.poll(_ANSWER_MS)

    def _receive_some(self, control: Socket) -> None:
        data = control.recv(1 << 16, socket.MSG_DONTWAIT)
        if not data:
            raise ConnectionResetError("the pump is gone")
        self._received += data

    def _next_answer(self) -> None:
        line, self._received = self._received.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        if answer["reply"] in self._answers:  # else: to a question that was interrupted
            self._answers[answer["reply"]] = answer
        job = self._unanswered.pop(answer["reply"], None)
        if job is not None:
            job.asked = None
            if "error" not in answer:
                job.note(answer)

    def _take_answers(self) -> None:
        """Take the answers that have come: unread ones would stop the pump one day."""
        if not self._unanswered:
            return
        with deferred_interrupts():
            with contextlib.suppress(BlockingIOError, *_GONE):  # if it is gone, sending will tell
                self._receive_some(self.host.control)
            while b"\n" in self._received:
                self._next_answer()

    # -- news -----------------------------------------------------------------------------------

    def _note(self, news: str) -> None:
        """Tell something, but not into what is being captured."""
        self._news.append(news)
        if all(job.stopped for job in self._jobs.values()):
            self.tell_news()

    def tell_news(self) -> None:
        """Tell what happened during a capture, now that it is over."""
        while self._news:
            warnings.warn(self._news.pop(0), RuntimeWarning, stacklevel=2)

    # -- when the pump dies ---------------------------------------------------------------------

    def watch(self) -> None:
        """Begin to watch over the helper. Raises `OSError` if no thread can be had."""
        is_ours = self.host.outlives_us and self._owner == os.getpid()
        if is_ours and self.host.control.is_ours() and self._watcher is None:
            self._watcher = _Watcher(self)

    def stop_watching(self) -> None:
        """Let nobody notice if the helper dies."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()  # which may wait for our lock: not to be called with it

    def rest(self) -> None:
        """If nothing is recorded, end what runs only while something is."""
        with deferred_interrupts():
            with self.lock:
                if self._jobs or self._owner != os.getpid() or self.host.outlives_us:
                    return
                self.host.close()
            self.stop_watching()  # of a helper that has died

    def pump_died(self, control: Socket) -> bool:
        """Take over if ``control`` is still the socket in use, and something is recorded.

        Returns False if that has to be tried again.
        """
        with self.lock:
            if control is not self.host.control or self._owner != os.getpid() or not self._jobs:
                return True
            try:
                self._take_over()
            except OSError:
                return False
            return True

    def _take_over(self) -> None:
        """Go on in a thread with everything that the dead pump had in hand.

        Raises `OSError`, with nothing changed, if the system does not allow it at present.
        """
        self._notice_loss()
        dead = self.host
        jobs = list(self._jobs.values())
        # The new pump has its own duplicate of each, and nobody could tell us that it got none.
        needed = sum(_FDS_OF_A_RECORDING + 2 * len(job.pipes) for job in jobs)
        _check_that_there_are(needed + _FDS_OF_A_THREAD_HOST)
        with contextlib.ExitStack() as opened:
            files = [
                (_reopen(job.path + ".data", opened), _reopen(job.path + ".index", opened))
                for job in jobs
            ]
            self.host = ThreadHost()
            self._received = b""
            self._unsent.clear()
            self._forget_unanswered()
            self._room = 0
            for job, each in zip(jobs, files, strict=True):
                self._tell_of_record(job, each)
                self._tell_of_pipes(job, list(job.pipes.values()))
            self._send_off()
        dead.close()
        if dead.outlives_us:
            self._note(
                "the ipyfdcapture helper process was killed; a thread has taken over and nothing "
                "was lost. The next capture starts a new helper"
            )

    def _notice_loss(self) -> None:
        """If somebody closed our end of the control socket, let go of all: it is lost to us.

        Who closes one descriptor that is not his closes them all. The pump lets go by itself.
        """
        if self._owner != os.getpid() or self.host.control.fileno() < 0:
            return
        if self.host.control.is_ours():
            return
        with deferred_interrupts():
            self.host.close()
            self._received = b""
            self._unsent.clear()
            self._forget_unanswered()
            if self._jobs:
                self._news.append(
                    "this process closed the descriptors of a capture (as os.closerange() does): "
                    "what was written since then is not in its log"
                )
            while self._jobs:
                job = self._jobs.popitem()[1]
                job.close_pipes()
                job.state.writing = False

    def _forget_unanswered(self) -> None:
        """The pump is gone. What it would have answered is known from what it has written."""
        for job in self._unanswered.values():
            job.asked = None
            with contextlib.suppress(OSError):
                dropped, number = dropped_bytes(job.path + ".index")
                job.state.dropped = dropped
                job.state.dropped_why = os.strerror(number) if number else None
        self._unanswered.clear()

    def retire(self) -> None:
        """Let go of a pump that is gone, unless something it had in hand is still to be saved."""
        with self.lock:
            self._notice_loss()
            if self._jobs or self._owner != os.getpid():
                return
            self._forget_unanswered()
            self.host.close()
        self.stop_watching()

    # -- the end --------------------------------------------------------------------------------

    def say_goodbye(self) -> None:
        """The process ends in peace: what is being captured is not kept."""
        with self.lock, contextlib.suppress(OSError):
            if self.host.outlives_us and self._owner == os.getpid():
                self._tell("bye")
                self._send()

    def forget_after_fork(self) -> None:
        """In a forked child: let go of the parent's pump without a word to it."""
        self.lock = threading.RLock()
        self.host.forget_after_fork()
        for job in self._jobs.values():
            with contextlib.suppress(OSError):
                job.close_pipes()
        self._jobs.clear()


def _reopen(path: str, opened: contextlib.ExitStack) -> int:
    fd = out_of_the_way(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    opened.callback(os.close, fd)
    return fd


def _check_that_there_are(count: int) -> None:
    """Raise `OSError` unless this process may open so many more descriptors."""
    with contextlib.ExitStack() as opened:
        for _ in range(count):
            opened.enter_context(socket.socket(socket.AF_UNIX))


class _Watcher:
    """A thread that notices the death of the helper.

    It lives as long as the helper does: to start and end one at each capture would take as long
    as all else that a capture does. Not a `threading.Thread`: nobody has to wait for it when the
    process ends. It steps aside when the process forks, see `_before_fork`.
    """

    def __init__(self, drain: Drain) -> None:
        self._control = drain.host.control
        self._drain = drain
        self._end, self._wake = (Descriptor(out_of_the_way(fd)) for fd in os.pipe())
        # Not in the thread, which may begin when the socket is closed already.
        self._waiter = select.poll()
        self._waiter.register(self._end, select.POLLIN)
        self._waiter.register(self._control, 0)
        self._running = _thread.allocate_lock()
        self._running.acquire()
        self._task = 0  # the system's number of the thread
        try:
            self._thread = _thread.start_new_thread(self._run, ())
        except RuntimeError as error:
            self.close()
            raise OSError(errno.EAGAIN, str(error)) from error

    def _run(self) -> None:
        self._task = threading.get_native_id()
        try:
            ready = {fd for fd, _ in self._waiter.poll()}
            while self._end not in ready and not self._drain.pump_died(self._control):
                # Nobody empties the pipes now, and who writes may be waiting.
                time.sleep(_RETRY_S)
                ready = {fd for fd, _ in self._waiter.poll(0)}
        finally:
            self._running.release()

    def stop(self) -> None:
        """End the thread, and wait for that."""
        if self._wake.is_ours():  # else it has ended when that was closed
            os.write(self._wake, b"\0")
        if self._thread != _thread.get_ident():
            self._running.acquire(timeout=_WATCHER_END_S)
            self._await_end_of_task()
        self.close()

    def _await_end_of_task(self) -> None:
        # The system's part of a thread outlives Python's for a moment, and counts in a fork.
        deadline = time.monotonic() + _WATCHER_END_S
        while os.path.exists(f"/proc/self/task/{self._task}") and time.monotonic() < deadline:
            time.sleep(_TASK_END_S)

    def close(self) -> None:
        """Let go of what wakes the thread."""
        self._wake.close()
        self._end.close()


# -- which drain ----------------------------------------------------------------------------------

_drains: dict[str, Drain] = {}
_guard = fork_safe_lock()
_told_of_fallback = False


def get_drain(kind: str) -> Drain:
    """Return the drain for ``kind``: ``"auto"``, ``"process"`` or ``"thread"``.

    Raises `ValueError` for another kind, `CaptureError` if it cannot be had.
    """
    if kind not in KINDS:
        raise ValueError(f"drain must be one of {', '.join(KINDS)}, not {kind!r}")
    with _guard:
        if kind == "auto":
            return _helper_or_thread()
        try:
            return _existing_or_new(kind)
        except OSError as error:
            raise CaptureError(f'drain="{kind}" is not possible here: {reason(error)}') from error


def _helper_or_thread() -> Drain:
    global _told_of_fallback
    try:
        return _existing_or_new("process")
    except OSError as error:
        if not _told_of_fallback:
            _told_of_fallback = True
            warnings.warn(
                f"no helper process can be started ({reason(error)}); captures use a "
                "thread, which cannot read while native code holds the GIL",
                RuntimeWarning,
                stacklevel=2,
            )
    try:
        return _existing_or_new("thread")
    except (OSError, RuntimeError) as error:
        raise CaptureError(f"neither a helper process nor a thread can be had: {error}") from error


def _existing_or_new(kind: str) -> Drain:
    drain = _drains.get(kind)
    if drain is None or not drain.is_usable:
        if drain is not None:
            drain.retire()
        hosts: dict[str, Callable[[], Host]] = {"process": ProcessHost, "thread": ThreadHost}
        drain = _drains[kind] = Drain(hosts[kind]())
        _all_drains.add(drain)
    return drain


def _say_goodbye() -> None:
    for drain in list(_all_drains):
        drain.say_goodbye()


def _before_fork() -> None:
    # Python warns of forks while other threads run, and is right: they are missing in the child.
    for drain in list(_all_drains):
        drain.stop_watching()


def _after_fork_in_parent() -> None:
    for drain in list(_all_drains):
        with contextlib.suppress(OSError):
            drain.watch()


def _forget_after_fork() -> None:
    for drain in list(_all_drains):
        drain.forget_after_fork()
    _drains.clear()


_all_drains: weakref.WeakSet[Drain] = weakref.WeakSet()
atexit.register(_say_goodbye)
at_fork(Stage.THREADS, before=_before_fork, in_parent=_after_fork_in_parent)
at_fork(Stage.STATE, in_child=_forget_after_fork)
