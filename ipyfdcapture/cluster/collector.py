"""The client's side: asks all workers, and writes what they have into one recording.

All of it happens in one thread, which waits for answers and for nothing else: a worker that does
not answer holds up no other. Each worker is asked how far its recording goes (a *mark*), what is
new is fetched in blocks, and what no other worker can precede any more is written, in order of
time. Whoever looks at the log sees what is written, and waits for no network.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from ..errors import reason
from ..recording import spool
from ..recording.copying import ChunkAppender
from ..recording.metadata import Metadata
from ..recording.recording import Recording, State, Writing
from ..system import clock
from ..system.finalizers import Finalizer
from ..system.threads import WorkThread
from . import leftovers
from .clock import LogClock
from .feeds import Feed, Member
from .host import host_id, is_running
from .merging import merged
from .names import Names
from .protocol import VERSION, Answer, Cluster, Request
from .questions import Questions
from .status import WorkerStatus, status_of

#: How often each worker is asked how far it is ...
_MARK_S = 0.1
#: ... and how many are asked in a second: a scheduler passes on thousands.
_MARKS_PER_S = 200
#: How often to look which workers there are.
_MEMBERS_S = 0.5
#: A worker that has not answered for so long holds up the order of the others' lines no more.
SILENT_S = 5.0
#: One that could not serve us is asked again after this.
_RETRY_S = 2.0
#: So much of all recordings may wait in memory for its turn.
_BUFFERED_BYTES = 48 << 20
_LEAST_BLOCK_BYTES, _MOST_BLOCK_BYTES = 8 << 10, 1 << 20
#: At the end, workers are told within this time, or learn it from the silence.
_GOODBYE_S = 0.8
#: Whoever ends a log waits for that, and for the thread, no longer than this.
_END_S = 1.0
#: Without news, the thread looks around so often.
_IDLE_S = 0.1


class Collector(Writing):
    """Fetches from all workers of a cluster, for one log. The `Writing` side of its recording.

    Parameters
    ----------
    cluster
        The way to the workers.
    session
        What the workers know this log by.
    automatic_bytes
        Fetch no more than this without being asked to. None: everything.
    """

    def __init__(self, cluster: Cluster, session: str, automatic_bytes: int | None = None) -> None:
        self._cluster = cluster
        self._automatic_bytes = automatic_bytes
        #: The engine is asked which workers there are, as each of those is asked how far it is.
        self._engine = Member("")
        self._members: dict[str, Member] = {}
        self._feeds: dict[str, Feed] = {}
        self._names = Names()
        self.clock = LogClock()
        self._changed = threading.Condition()
        asked_by = {"version": VERSION, "session": session}
        self._questions = Questions(cluster, asked_by, self.clock, self._changed)
        self._state = State(writing=True)
        self._owner = os.getpid()
        #: Whether each worker that was there at first has answered, or was given up.
        self._has_met = False
        #: So much is asked for at a time.
        self._block_bytes = _LEAST_BLOCK_BYTES
        #: What was fetched, and what may be.
        self._fetched = 0
        self._allowance = automatic_bytes
        #: What was written before this is wanted now; and the workers that there were then.
        self._wanted_until = self._look_wanted = 0
        #: How many wait for it.
        self._fetching = 0
        self._stopping = False
        self._is_over = False
        self._has_failed = False
        recording, data_fd, index_fd = Recording.create(
            spool.directory(), Metadata(started=self.clock.now(), process=os.getpid())
        )
        self._appender = ChunkAppender(data_fd, index_fd)
        self._recording = weakref.ref(recording)
        self._thread = WorkThread(self._run, "ipyfdcapture-cluster")
        recording.writing = self
        Finalizer(recording, self.release)
        #: Handed over once: this object does not keep it.
        self.recording: Recording | None = recording

    def start(self) -> Recording:
        """Begin. Returns the recording, which ends this once it is closed or forgotten."""
        recording, self.recording = self.recording, None
        assert recording is not None
        self._thread.start()
        return recording

    # -- what a recording asks ---------------------------------------------------------------------

    def update(self) -> State:
        """Tell how things stand, at once: what is fetched is recorded."""
        return State(self._state.dropped, self._state.dropped_why, writing=not self._is_over)

    def wait(self, timeout: float | None) -> bool:
        """Wait (s) until nothing more can come: all workers are gone, or the log was stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over, timeout)
            return self._is_over

    def release(self) -> None:
        """Fetch nothing more, and have nothing left on any worker."""
        self._end()

    # -- what a log asks ---------------------------------------------------------------------------

    def fetch(self, timeout: float | None) -> bool:
        """Have everything here that was written by now; tell whether it is, within ``timeout``."""
        wanted = self.clock.now()
        with self._changed:
            self._wanted_until = max(self._wanted_until, wanted)
            self._fetching += 1
            self._questions.wake()
            try:
                self._changed.wait_for(lambda: self._is_over or self._has_all(wanted), timeout)
            finally:
                self._fetching -= 1
                if self._automatic_bytes is not None:
                    self._allowance = self._fetched + self._automatic_bytes
            is_here = not self._has_failed and not self._engine.is_silent and self._has_all(wanted)
            return is_here and not self.troubles()

    def meet(self, timeout: float) -> None:
        """Wait (s) until each worker that there is by now has answered once."""
        wanted = self.clock.now()
        with self._changed:
            self._look_wanted = max(self._look_wanted, wanted)
            self._questions.wake()
            self._changed.wait_for(lambda: self._is_over or self._has_met_all(wanted), timeout)

    def _has_met_all(self, wanted: int = 1) -> bool:
        is_known = self._engine.marked_at >= wanted or not self._engine.is_awaited
        members = self._members.values()
        return is_known and all(each.marked_at or not each.is_awaited for each in members)

    def stop(self, timeout: float | None) -> bool:
        """Fetch everything, and end; tell whether nothing is missing."""
        has_all = self.fetch(timeout)
        self._end()
        return has_all

    def _end(self) -> None:
        """End within `_END_S`, with the workers told."""
        if self._owner != os.getpid() or self._thread.ident is None:
            return
        self._stopping = True
        self._questions.wake()
        if not self._thread.is_current():
            self._thread.wait(_END_S)

    def statuses(self) -> list[WorkerStatus]:
        """Return what is known of each worker."""
        with self._changed:
            return status_of(self._feeds.values(), self._members.values(), self.clock.now())

    def troubles(self) -> list[str]:
        """Return a line for everything that is missing."""
        return [line for each in self.statuses() if (line := each.trouble)]

    def ask_all(self, request: Request, timeout: float) -> list[tuple[Feed, Answer]]:
        """Ask for each recording the same; return what was answered in time, with its recording."""
        with self._changed:
            feeds = [each for each in self._feeds.values() if not each.member.is_gone]
        asked = [(each, self._ask_for(each, request)) for each in feeds]
        deadline = clock.monotonic() + timeout
        return [(each, _answer_within(future, deadline)) for each, future in asked]

    def ask_one(self, incarnation: str, request: Request, timeout: float) -> Answer:
        """Ask the worker of one recording, and wait. Raises `ConnectionError`."""
        with self._changed:
            feed = self._feeds[incarnation]
        answer = _answer_within(self._ask_for(feed, request), clock.monotonic() + timeout)
        if "error" in answer:
            raise ConnectionError(f"{feed.label} does not answer: {answer['error']}")
        return answer

    def _ask_for(self, feed: Feed, request: Request) -> Future[Answer]:
        try:
            return self._questions.send(
                feed.member.id, {**request, "incarnation": feed.incarnation}
            )
        except Exception as error:
            failed: Future[Answer] = Future()
            failed.set_exception(error)
            return failed

    def _has_all(self, wanted: int) -> bool:
        """Tell whether what was written before a time (ns) is here, as far as it can be had."""
        if any(each.is_awaited and each.marked_at < wanted for each in self._asked()):
            return False
        return all(each.has_until >= wanted for each in self._feeds.values() if each.can_be_had)

    def _asked(self) -> Iterable[Member]:
        """Return all that are asked again and again."""
        return [self._engine, *self._members.values()]

    def _awaited(self) -> Iterable[Feed]:
        return [each for each in self._feeds.values() if each.is_awaited]

    # -- in the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping:
                with self._changed:
                    self._look_for_members()
                    self._look_for_silence()
                    for member in self._members.values():
                        self._mark(member)
                    for feed in self._feeds.values():
                        self._rescue(feed)
                    self._write()  # and so make room for more
                    self._set_block_bytes()
                    for feed in self._feeds.values():
                        self._read(feed)
                    self._changed.notify_all()
                    if self._engine.is_gone and not any(self._awaited()):
                        break
                self._questions.take(self._until_next_question())
        except BaseException:
            self._has_failed = True
            raise
        finally:
            with self._changed:
                for feed in self._feeds.values():
                    feed.is_over = True
                    feed.end = feed.fetched if self._stopping else feed.end
                with contextlib.suppress(OSError):
                    self._write()
                self._appender.close()
                recording = self._recording()
                if recording is not None:
                    recording.finish(self.clock.now())
                self._is_over = True
                self._changed.notify_all()
            self._say_goodbye()

    def _until_next_question(self) -> float:
        due = min(
            (each.next_mark for each in self._asked() if each.asked is None and not each.is_gone),
            default=float("inf"),
        )
        return min(max(due - clock.monotonic(), 0.001), _IDLE_S)

    # -- which workers there are -------------------------------------------------------------------

    def _look_for_members(self) -> None:
        engine = self._engine
        wanted = max(self._wanted_until, self._look_wanted)
        if engine.is_gone or not _is_due(engine, wanted):
            return
        asked = self.clock.now()
        try:
            looked = self._cluster.look()
        except ConnectionError:
            engine.is_gone = True
            self._note_members([])
            return
        engine.asked = clock.monotonic()
        self._questions.expect(looked, engine.id, lambda answer: self._looked(asked, answer))

    def _looked(self, asked: int, answer: Answer) -> None:
        engine, now = self._engine, clock.monotonic()
        since, engine.asked = engine.asked, None
        engine.next_mark = now + _MEMBERS_S
        if "error" in answer:
            engine.failing = engine.failing or since
            return
        engine.failing, engine.is_silent = None, False
        self._note_members(answer["members"])
        engine.marked_at = asked

    def _note_members(self, present: list[str]) -> None:
        for key in present:
            if key not in self._members:
                self._members[key] = Member(key)
        for key in self._members.keys() - set(present):
            self._members.pop(key).is_gone = True
            self._names.release(key)
            self._questions.give_up(key)

    def _look_for_silence(self) -> None:
        now = clock.monotonic()
        for member in self._asked():
            since = member.asked if member.failing is None else member.failing
            member.is_silent = since is not None and now - since > SILENT_S

    # -- marks -------------------------------------------------------------------------------------

    def _mark(self, member: Member) -> None:
        if not _is_due(member, self._wanted_until):
            return
        member.asked = clock.monotonic()
        asked = self.clock.now()
        self._questions.ask(
            member.id, {"do": "mark"}, lambda answer: self._marked(member, asked, answer)
        )

    def _marked(self, member: Member, asked: int, answer: Answer) -> None:
        now = clock.monotonic()
        since, member.asked = member.asked, None
        interval = max(_MARK_S, len(self._members) / _MARKS_PER_S)
        if answer.get("lost"):  # it is gone, as the engine will soon say, or cut off
            member.failing = member.failing or since
            member.next_mark = now + interval
            return
        member.failing = None
        if "error" in answer:
            member.next_mark = now + _RETRY_S
            unknown = answer["error"] == "unknown"
            member.trouble = "captures nothing for this log" if unknown else answer["error"]
            return
        member.trouble = ""
        member.is_silent = False
        member.next_mark = now + interval
        member.host, member.pid = answer["host"], answer["pid"]
        label = self._names.label(member.id, answer["name"])
        for each in answer["recordings"]:
            each["arrived"] = answer["arrived"]
            member.clock.note(asked, answer["arrived"], each["now"])
            feed = self._feeds.get(each["incarnation"])
            if feed is None:
                feed = self._feeds[each["incarnation"]] = Feed(member, label, each)
            feed.member = member
            self._add_sources(feed, each["sources"])
            feed.marked(each, asked)
        member.marked_at = asked

    def _add_sources(self, feed: Feed, names: list[str]) -> None:
        recording = self._recording()
        new = names[len(feed.numbers) :]
        if recording is None or not new:
            return
        first = len(recording.sources)
        recording.add_sources([f"{feed.label}/{name}" for name in new])
        feed.numbers += range(first, first + len(new))

    # -- blocks ------------------------------------------------------------------------------------

    def _set_block_bytes(self) -> None:
        growing = sum(each.may_have_more for each in self._feeds.values())
        block = _BUFFERED_BYTES // (2 * max(1, growing))
        self._block_bytes = max(_LEAST_BLOCK_BYTES, min(block, _MOST_BLOCK_BYTES))

    def _read(self, feed: Feed) -> None:
        may_fetch = self._fetching or self._allowance is None or self._fetched < self._allowance
        feed.is_paused = feed.is_behind and not may_fetch
        if feed.is_reading or feed.is_paused or not feed.member.is_awaited:
            return
        # What came since the last mark is asked for after the next one: a worker that writes all
        # the time would be asked for a little more all the time, and stand still for each.
        if not feed.is_behind_mark:
            return
        if feed.stream.memory >= 2 * self._block_bytes or clock.monotonic() < feed.next_read:
            return
        feed.is_reading = True
        stop = min(feed.end, feed.fetched + self._block_bytes)
        request = {
            "do": "read",
            "incarnation": feed.incarnation,
            "start": feed.fetched,
            "stop": stop,
        }
        self._questions.ask(feed.member.id, request, lambda answer: self._take_block(feed, answer))

    def _take_block(self, feed: Feed, answer: Answer) -> None:
        feed.is_reading = False
        if "chunks" in answer and answer["start"] >= feed.fetched:
            self._fetched += len(answer["data"])
            feed.trouble = ""
            self._add_sources(feed, answer["sources"])
            feed.take(answer)
            self._read(feed)
        elif "error" in answer and not answer.get("lost"):
            feed.trouble = answer["error"]
            feed.next_read = clock.monotonic() + _RETRY_S

    # -- those that do not answer any more ---------------------------------------------------------

    def _rescue(self, feed: Feed) -> None:
        """Have the files of a worker that is gone, or cannot answer, read by another process."""
        # Its worker may owe an answer: whichever comes second is not taken.
        if feed.member.is_awaited or not feed.may_have_more or feed.is_rescuing:
            return
        now = clock.monotonic()
        feed.rescued_since = feed.rescued_since or now
        if now < feed.next_rescue:
            return
        request = feed.request_left(self._block_bytes)
        asked = self.clock.now()
        if feed.member.host == host_id():
            answer = leftovers.read_left(request)
            self._take_left(feed, asked, {**answer, "arrived": self.clock.now()})
            return
        neighbours = [
            each
            for each in self._members.values()
            if each.host == feed.member.host and not each.is_silent and not each.trouble
        ]
        if neighbours:
            feed.is_rescuing = True
            neighbour = neighbours[0].id
            self._questions.ask(
                neighbour, request, lambda answer: self._take_left(feed, asked, answer)
            )
        else:
            nobody = {"error": "there is nobody else on its machine to read it"}
            self._take_left(feed, asked, nobody)

    def _take_left(self, feed: Feed, asked: int, answer: Answer) -> None:
        feed.is_rescuing = False
        now = clock.monotonic()
        is_next = "chunks" in answer and answer["start"] >= feed.fetched
        has_more = is_next and len(answer["data"]) > 0
        if is_next:
            self._fetched += len(answer["data"])
            self._add_sources(feed, answer["sources"])
            feed.take_left(answer)
        if answer.get("over"):
            feed.is_over = True
        feed.next_rescue = now if has_more else now + _MARK_S
        if has_more:
            self._questions.wake()  # to go on at once
        if "chunks" in answer and feed.fetched >= answer["end"]:
            feed.reached(asked, answer)
        if answer.get("alive") and "chunks" in answer:
            feed.rescued_since = now  # cut off from us: it goes on, and holds up no other
            if self._engine.is_gone and not has_more:
                feed.is_over = True  # but not for us
        waited = now - feed.rescued_since
        if feed.member.is_gone and not feed.is_over and waited > leftovers.MOVED_WITHIN_S:
            feed.give_up(answer.get("error", "its files are not where they should be"))

    # -- writing -----------------------------------------------------------------------------------

    def _write(self) -> None:
        """Write what no worker can precede any more."""
        # Each may have recorded something before this log began, for another client.
        self._has_met = self._has_met or self._has_met_all()
        if not (self._has_met or self._stopping):
            return
        until = min((each.stream.may_give_from for each in self._awaited()), default=1 << 63)
        streams = [each.stream for each in self._feeds.values() if each.stream.nbytes]
        if streams:
            length = 0
            try:
                for chunk in merged(streams, until):
                    length += len(chunk[1])
                    if self._state.dropped_why is None:
                        self._appender.add(*chunk)
                if self._state.dropped_why is None:
                    self._appender.flush()
            except OSError as error:
                self._state.dropped_why = reason(error)
            if self._state.dropped_why is not None:
                self._state.dropped += length
        for feed in self._feeds.values():
            feed.note_written()

    # -- the end -----------------------------------------------------------------------------------

    def _say_goodbye(self) -> None:
        """Tell the workers that nobody wants more, and remove what others have left."""
        goodbyes: list[Future[Any]] = []
        if not self._engine.is_gone:
            for member in self._members.values():
                with contextlib.suppress(Exception):
                    goodbyes.append(self._questions.send(member.id, {"do": "end"}))
        for feed in self._feeds.values():
            if feed.member.is_gone:
                goodbyes += self._remove_left(feed)
        with contextlib.suppress(Exception):
            closing = self._cluster.close()
            if closing is not None:
                goodbyes.append(closing)
        deadline = clock.monotonic() + _GOODBYE_S
        for future in goodbyes:
            with contextlib.suppress(BaseException):
                future.result(max(0.0, deadline - clock.monotonic()))

    def _remove_left(self, feed: Feed) -> list[Future[Answer]]:
        if feed.member.host == host_id():
            leftovers.remove(feed.left_dir)
            if is_running(feed.member.pid):
                leftovers.note_unwanted(feed.left_dir)
            return []
        for member in self._members.values():
            if member.host == feed.member.host:
                with contextlib.suppress(Exception):
                    request = {"do": "remove", "left_dir": feed.left_dir}
                    return [self._questions.send(member.id, request)]
        return []


def _is_due(member: Member, wanted: int) -> bool:
    """Tell whether to ask it again: at its time, or since somebody waits for what is new (ns)."""
    if member.asked is not None:
        return False
    is_fine = member.failing is None and not member.trouble
    return (is_fine and member.marked_at < wanted) or clock.monotonic() >= member.next_mark


def _answer_within(future: Future[Answer], deadline: float) -> Answer:
    """Wait for an answer until a time (monotonic, s). What went wrong is one too: ``error``."""
    try:
        return future.result(max(0.0, deadline - clock.monotonic()))
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
