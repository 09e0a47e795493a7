"""A drain's work for one recording, as the capture and the recording see it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from ..recording.recording import Recording, State
from ..recording.sources import streams_of
from ..recording.writer import CHUNK_BYTES
from ..system import clock
from ..system.descriptors import Descriptor
from ..system.finalizers import Finalizer
from ..system.interrupts import LONGEST_WAIT_S
from ..system.pipes import capacity, open_pipe, waiting_bytes
from ..system.polling import at_end, wait_until_closed
from ..system.waker import Waker
from .notices import Notices
from .protocol import MOST_FDS, AddRequest, CopyRequest, RecordRequest, WakeRequest

T = TypeVar("T")

#: How often to look whether nobody reserves pipes of a recording any more.
_RESERVATION_S = 0.02


@dataclass
class Pipe:
    """The kernel's side of one pipe that is emptied. Owns both descriptors."""

    source: int
    read_end: int
    #: The name of the source.
    name: str = ""
    #: Where bytes go that nobody keeps any more. None: nowhere.
    original: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._fds = [Descriptor(self.read_end)]

    def set_original(self, fd: int) -> None:
        """Have what nobody keeps any more go to ``fd``; takes it over."""
        self.original = fd
        self._fds.append(Descriptor(fd))

    @property
    def descriptor(self) -> Descriptor:
        """The read end, which knows whether it is still open."""
        return self._fds[0]

    def is_nearly_full(self) -> bool:
        """Tell whether who writes to it may be waiting."""
        try:
            return 2 * waiting_bytes(self.read_end) >= capacity(self.read_end)
        except OSError:
            return False

    def close(self) -> None:
        """Close both."""
        for fd in self._fds:
            fd.close()


class JobServer(Protocol):
    """What does the work: the drain, as its jobs and their captures see it."""

    @property
    def notices(self) -> Notices:
        """What the user is to be told once a capture is over."""

    def update(self, job: DrainJob) -> State:
        """Have everything recorded that is in the pipes of ``job``."""

    def stop(self, job: DrainJob) -> None:
        """Have everything recorded that was written before the capture of ``job`` ended."""

    def release(self, job: DrainJob) -> None:
        """Keep nothing more of ``job``."""

    def add(self, job: DrainJob, pipes: Sequence[Pipe]) -> None:
        """Empty more pipes into the recording of ``job``."""

    def copy_kept(self, job: DrainJob, recording: Recording) -> None:
        """Record in ``job``, too, what processes write that earlier captures started."""

    def wake(self, job: DrainJob, waker: Waker) -> None:
        """Have a thread woken when something was recorded for ``job``."""

    def reserve(self, job: DrainJob) -> PipeReservation | None:
        """Have ``job`` wait for pipes that are yet to be added; None if it is too late."""

    def postpones(self, function: Callable[[], object]) -> bool:
        """If this thread is using the drain, have another call ``function``, and say so."""


@dataclass(eq=False)
class DrainJob:
    """One recording that a drain writes.

    It is the `ipyfdcapture.recording.recording.Writing` side of the recording. A forked child
    may look at its parent's, which changes nothing.
    """

    drain: JobServer
    number: int
    path: str
    max_bytes: int | None
    crash_dir: str | None
    #: What other logs call it: ``cell 3``. None if it is no capture's.
    origin: str | None = None
    #: Whether it is shown where the user looks.
    is_seen: bool = False
    #: What is recorded here, too, of processes that earlier captures started: the number of such
    #: a recording and of its source, and the number that it has here.
    copies: dict[tuple[int, int], int] = field(default_factory=dict)
    #: Since when, in ns since the epoch.
    copies_since: int = 0
    #: A pipe from the pump to the pump, see `ipyfdcapture.recording.writer.RecordingWriter`.
    transit: tuple[Descriptor, Descriptor] | None = None
    pipes: dict[int, Pipe] = field(default_factory=dict)
    #: The ends of the pipes that wake those who follow the recording.
    wakers: list[tuple[Descriptor, Descriptor]] = field(default_factory=list)
    #: Whether the capture has ended.
    stopped: bool = False
    state: State = field(default_factory=lambda: State(writing=True))
    #: Whether the pump was asked for something, and its answer has not been taken.
    awaits_answer: bool = False
    #: Whether the user knows that this answer is late.
    is_known_to_wait: bool = False
    #: How many answers were taken, and the last one if the pump could not do what was asked.
    answers: int = 0
    failed: dict[str, Any] | None = None
    #: The sources whose pipes the pump lacks, by its last answer, and whether it lacks the whole
    #: recording: it could not have the descriptors, or was too slow to say that it let go of them.
    lacking: list[int] = field(default_factory=list)
    is_unknown: bool = False
    #: How many may still add pipes.
    reservations: int = 0
    #: The sources of what this process itself writes after the capture has ended.
    late_sources: set[int] = field(default_factory=set)
    #: By source, what closes the pipes of those among them that are not waited for.
    uncounted: dict[int, Callable[[], object]] = field(default_factory=dict)
    #: Has what waits in buffers of this process written, before somebody looks.
    before_look: Callable[[], object] | None = None
    owner: int = field(default_factory=os.getpid)
    #: Releases it once nobody holds the recording.
    finalizer: Finalizer | None = None

    # -- what a recording asks ------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        """Whether all is recorded and nobody can write any more, as known without asking."""
        return not self.state.writing

    def update(self) -> State:
        """Have everything recorded that is in the pipes."""
        if self.owner != os.getpid():
            # A forked child sees what is recorded; asking for more is its parent's affair.
            return State(self.state.dropped, self.state.dropped_why, writing=True)
        if self.before_look is not None:
            self.before_look()
        state = self._served(lambda drain: drain.update(self))
        if state.writing and self._close_uncounted():
            state = self._served(lambda drain: drain.update(self))
        return state

    def wait(self, timeout: float | None) -> bool:
        """Wait (s) until all writers are gone; tell whether they are."""
        deadline = None if timeout is None else clock.monotonic() + timeout
        while self._wait_for_pipes(deadline):
            if not self.reservations:
                return True
            if deadline is not None and clock.monotonic() >= deadline:
                return False
            clock.sleep(_RESERVATION_S)
        return False

    def _wait_for_pipes(self, deadline: float | None) -> bool:
        for pipe in list(self.pipes.values()):
            while self._waits_for(pipe) and not wait_until_closed(pipe.read_end, _left(deadline)):
                if deadline is not None and clock.monotonic() >= deadline:
                    return False
        return True

    def _waits_for(self, pipe: Pipe) -> bool:
        is_open = self.pipes.get(pipe.source) is pipe  # another thread may have seen its end
        return is_open and pipe.source not in self.uncounted  # else `update` closes it

    def release(self) -> None:
        """Keep nothing more; a writer that lives on is not disturbed."""
        if self.owner == os.getpid():
            self._served(lambda drain: drain.release(self))

    def _served(self, ask: Callable[[JobServer], T]) -> T:
        """Ask the drain, and the one that has gone on with it meanwhile."""
        while True:
            drain = self.drain
            answer = ask(drain)
            if self.drain is drain:
                return answer

    # -- what a capture asks --------------------------------------------------------------------

    def stop(self) -> None:
        """Like `update`, for the end of the capture. Writers that live on are still recorded."""
        self.stopped = True
        if self.owner == os.getpid():
            self._served(lambda drain: drain.stop(self))

    def reserve(self) -> PipeReservation | None:
        """Have it wait for pipes that are yet to be added; None if it is too late for that."""
        return self._served(lambda drain: drain.reserve(self))

    def add(self, pipes: Sequence[Pipe]) -> None:
        """Have more pipes emptied into this recording.

        Takes the pipes over. Raises `OSError` if the drain cannot have them.
        """
        self.drain.add(self, pipes)

    def add_late(self, pipe: Pipe, close: Callable[[], object] | None) -> None:
        """Have a pipe emptied by which this process writes after the capture has ended.

        Takes it over. Raises `OSError` if the drain cannot have it. See `note_late` for ``close``.
        """
        self.note_late(pipe.source, close)
        try:
            self.add([pipe])
        except BaseException:
            self.uncounted.pop(pipe.source, None)
            raise

    def note_late(self, source: int, close: Callable[[], object] | None) -> None:
        """Note that this process itself writes a source, after the capture has ended.

        Parameters
        ----------
        source
            Its number.
        close
            Closes the write end: called once no other writer lives, so that the recording is
            complete. None: this writer is waited for like any other.
        """
        self.late_sources.add(source)
        if close is not None:
            self.uncounted[source] = close

    def _close_uncounted(self) -> bool:
        """Close the pipes of those who are not waited for, if no others may write; tell whether.

        Not under a lock of the drain's: whoever is writing is waited for.
        """
        pipes = list(self.pipes)
        if not pipes or not self.uncounted.keys() >= set(pipes):
            return False
        while self.uncounted:
            self.uncounted.popitem()[1]()
        return True

    def copy_kept(self, recording: Recording) -> None:
        """Have recorded here, too, what processes write that earlier captures started.

        Parameters
        ----------
        recording
            What this job writes. Its sources are added: ``cell 3/stdout``.
        """
        if self.owner == os.getpid():
            self.drain.copy_kept(self, recording)

    def wake(self, waker: Waker) -> None:
        """Have a thread woken when something was recorded, as long as something is."""
        if self.owner == os.getpid():
            self.drain.wake(self, waker)

    @property
    def streams(self) -> frozenset[str]:
        """The streams that are captured."""
        return frozenset[str]().union(
            *(streams_of(pipe.name) for pipe in self.pipes.values() if "/" not in pipe.name)
        )

    def living_sources(self) -> list[tuple[int, str]]:
        """Return the numbers and names of the sources that have a writer."""
        pipes = list(self.pipes.values())
        return [(pipe.source, pipe.name) for pipe in pipes if not at_end(pipe.read_end)]

    # -- what the drain knows -------------------------------------------------------------------

    def has_full_pipe(self) -> bool:
        """Tell whether who writes to one of its pipes may be waiting."""
        return any(pipe.is_nearly_full() for pipe in list(self.pipes.values()))

    @property
    def is_over(self) -> bool:
        """Whether no further pipes can come."""
        return self.stopped and not self.reservations

    def _note(self, answer: dict[str, Any], asked: Iterable[int]) -> None:
        self.lacking, self.is_unknown = answer["lacking"], answer["unknown"]
        if self.is_unknown:
            return
        # Only what was asked about: an answer may be late, and there may be more pipes by now.
        for source in {*asked} - {*answer["open"], *self.lacking}:
            if source in self.pipes:
                self.pipes.pop(source).close()
        is_writing = bool(self.pipes) or not self.is_over
        self.state = State(answer["dropped"], answer["dropped_why"], is_writing)

    def take_answer(self, answer: dict[str, Any], asked: Iterable[int]) -> None:
        """Take an answer, when it was waited for or later.

        Parameters
        ----------
        answer
            What the pump says (`ipyfdcapture.drain.protocol.Synced`).
        asked
            The sources that it was asked about.
        """
        self.note_answered()
        self.answers += 1
        if "error" in answer:
            self.failed = answer
        else:
            self._note(answer, asked)

    def note_answered(self) -> None:
        """Wait no longer for an answer: it has come, or never will."""
        self.awaits_answer = self.is_known_to_wait = False

    def record_request(
        self, files: tuple[int, int], keep_crash: bool
    ) -> tuple[RecordRequest, list[int]]:
        """Return the request to write it to ``files``, data and index, and its descriptors."""
        request: RecordRequest = {
            "do": "record",
            "id": self.number,
            "path": self.path,
            "max_bytes": self.max_bytes,
            "crash_dir": self.crash_dir if keep_crash else None,
            "stopped": self.stopped,
        }
        return request, [*files, *(self.transit or ())]

    def add_requests(self, pipes: Sequence[Pipe]) -> Iterator[tuple[AddRequest, list[int]]]:
        """Yield the requests to empty ``pipes`` into it, and their descriptors."""
        for start in range(0, len(pipes), MOST_FDS // 2):
            some = pipes[start : start + MOST_FDS // 2]
            fds: list[int] = []
            for pipe in some:
                fds += [pipe.read_end] if pipe.original is None else [pipe.read_end, pipe.original]
            request: AddRequest = {
                "do": "add",
                "id": self.number,
                "sources": [pipe.source for pipe in some],
                "originals": [pipe.source for pipe in some if pipe.original is not None],
            }
            yield request, fds

    def copy_request(self, copies: Mapping[tuple[int, int], int], is_resumed: bool) -> CopyRequest:
        """Return the request to record here what comes by sources of other recordings."""
        return {
            "do": "copy",
            "id": self.number,
            "copies": [(*each, number) for each, number in copies.items()],
            "shown": self.is_seen,
            "since": self.copies_since if is_resumed else None,
        }

    def add_waker(self, waker: Waker) -> tuple[Descriptor, Descriptor]:
        """Keep a duplicate of a waker as long as something is recorded; return its ends.

        Raises `OSError` if there can be none.
        """
        read_end = Descriptor.duplicate_of(waker.ends[0])
        try:
            ends = read_end, Descriptor.duplicate_of(waker.ends[1])
        except OSError:
            read_end.close()
            raise
        self.wakers.append(ends)
        return ends

    def wake_requests(self) -> Iterator[tuple[WakeRequest, list[int]]]:
        """Yield the requests to wake those who follow the recording, and their descriptors."""
        for ends in self.wakers:
            yield {"do": "wake", "id": self.number}, list(ends)

    def open_transit(self) -> None:
        """Open the transit, where the system can use it."""
        if hasattr(os, "splice"):
            read_end, write_end = open_pipe(CHUNK_BYTES)
            self.transit = Descriptor(read_end), Descriptor(write_end)

    def close_pipes(self) -> None:
        """Close the kernel's side of all pipes."""
        while self.pipes:
            self.pipes.popitem()[1].close()
        others = [*self.wakers, self.transit or ()]
        self.wakers, self.transit = [], None
        for ends in others:
            for end in ends:
                end.close()

    def has_all(self) -> bool:
        """Tell whether everything is recorded and nobody can write any more."""
        is_empty = at_end(*(pipe.read_end for pipe in self.pipes.values()))
        return is_empty and not (self.transit and waiting_bytes(self.transit[0]))


class PipeReservation:
    """While it is open, a recording is not complete: pipes may still be added."""

    def __init__(self, job: DrainJob) -> None:
        self._job: DrainJob | None = job
        job.reservations += 1

    def close(self) -> None:
        """Nothing more will be added. Idempotent."""
        job = self._job
        self.__del__()
        if job is not None and job.is_over and job.owner == os.getpid():
            job.drain.stop(job)

    def __del__(self) -> None:
        # No more than that: this runs wherever the last reference goes.
        job, self._job = self._job, None
        if job is not None:
            job.reservations -= 1


def _left(deadline: float | None) -> float:
    """Return how long to wait at once for a deadline (`clock.monotonic`)."""
    return LONGEST_WAIT_S if deadline is None else min(LONGEST_WAIT_S, deadline - clock.monotonic())
