"""The log of some tasks: what they wrote, and what processes still write that they have started.

It is fetched when it is made. As long as such a process lives, whoever looks at the log has it
fetched on, and waits a moment for the worker: nobody else needs it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from ..log.captured import Captured
from ..recording import spool
from ..recording.copying import ChunkAppender
from ..recording.metadata import Metadata
from ..recording.recording import Recording, State, Writing
from ..system import clock
from ..system.finalizers import Finalizer
from ..system.forking import fork_safe_lock
from ..system.interrupts import deferred_interrupts
from .collector import Collector
from .feeds import Feed
from .merging import Chunk, chunks_of
from .protocol import Answer

#: A look waits so long for workers, and leaves one that does not answer alone for a while.
_LOOK_S, _RETRY_S = 1.0, 2.0
#: How often to look while somebody waits for the end.
_INTERVAL_S = 0.1


class TaskPart:
    """What one task has written on one worker, as far as it was fetched.

    Parameters
    ----------
    key
        The word that the worker finds it by.
    feed
        The worker's recording.
    answer
        What the worker says of it.
    """

    def __init__(self, key: str, feed: Feed, answer: Answer) -> None:
        self.key = key
        self.feed = feed
        #: The names of its sources, by their numbers there; and their numbers in the log.
        self.names: dict[int, str] = dict(answer["sources"])
        self.numbers: dict[int, int] = {}
        #: Whether nothing more can come; and when to ask again (monotonic, s).
        self.is_over = False
        self.next_look = 0.0
        self._start = self._fetched = int(answer["start"])
        self._found = answer

    def fetch(self, collector: Collector, timeout: float) -> list[Chunk]:
        """Return what is new, until `commit` says that it is taken.

        Raises `ConnectionError` if one answer takes longer than ``timeout`` (s).
        """
        chunks: list[Chunk] = []
        position, stop = self._fetched, self._found["stop"]
        while position < stop:
            answer = self._ask(
                collector, timeout, do="read", start=position, stop=stop, sources=[*self.names]
            )
            if answer["stop"] <= position:
                break
            position = answer["stop"]
            chunks += chunks_of(answer)
        timed = self.feed.in_our_time(chunks, collector.clock)
        return [(self.numbers[source], data, time_ns) for source, data, time_ns in timed]

    def commit(self) -> None:
        """What was fetched last is in the log."""
        self._fetched, self.is_over = self._found["stop"], self._found["over"]

    def look(self, collector: Collector, timeout: float) -> None:
        """Ask how far it goes by now. Raises `ConnectionError`."""
        found = self._ask(collector, timeout, do="part", key=self.key)
        is_same = (found.get("incarnation"), found.get("start")) == (
            self.feed.incarnation,
            self._start,
        )
        # Else the worker has forgotten it, or it is run again.
        self._found = found if is_same else {"stop": self._fetched, "over": True}

    def _ask(self, collector: Collector, timeout: float, **request: Any) -> Answer:
        return collector.ask_one(self.feed.incarnation, request, timeout)


def find_parts(collector: Collector, keys: list[str], timeout: float) -> list[TaskPart]:
    """Return what the workers know of some tasks."""
    parts = []
    for key in keys:
        answers = collector.ask_all({"do": "part", "key": key}, timeout)
        feeds = {feed.incarnation: feed for feed, _ in answers}
        # A worker with two recordings answers twice, and of one of them.
        found = {answer.get("incarnation"): answer for _, answer in answers}
        parts += [TaskPart(key, feed, found[each]) for each, feed in feeds.items() if each in found]
    return parts


def log_of_parts(collector: Collector, parts: list[TaskPart], timeout: float) -> Captured:
    """Return the log of some tasks, in order of time.

    Raises `ConnectionError` if a worker takes longer than ``timeout`` (s) for an answer.
    """
    sources: list[str] = []
    for part in parts:
        part.numbers = {number: len(sources) + i for i, number in enumerate(part.names)}
        sources += [f"{part.feed.label}/{name}" for name in part.names.values()]
    chunks = _in_order(part.fetch(collector, timeout) for part in parts)
    started = chunks[0][2] if chunks else collector.clock.now()
    recording, data_fd, index_fd = Recording.create(
        spool.directory(), Metadata(sources=tuple(sources), started=started, process=os.getpid())
    )
    writing = _TaskWriting(collector, parts, ChunkAppender(data_fd, index_fd))
    release = Finalizer(recording, writing.release)
    try:
        writing.write(chunks, parts)
        recording.finish(chunks[-1][2] if chunks else started)
    except BaseException:
        release()
        recording.close()
        raise
    if writing.is_over:
        release()
    else:
        recording.writing = writing
    return Captured(recording)


def _in_order(some: Iterable[list[Chunk]]) -> list[Chunk]:
    return sorted((chunk for chunks in some for chunk in chunks), key=itemgetter(2))


class _TaskWriting(Writing):
    """Fetches on what is looked at. The `Writing` side of the recording of some tasks."""

    def __init__(
        self, collector: Collector, parts: list[TaskPart], appender: ChunkAppender
    ) -> None:
        self._collector = collector
        self._parts = parts
        self._appender: ChunkAppender | None = appender
        self._latest = 0
        self._lock = fork_safe_lock()
        self._owner = os.getpid()

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come."""
        return self._appender is None or all(part.is_over for part in self._parts)

    def update(self) -> State:
        """Fetch what was written by now, from workers that answer within a moment."""
        if self._owner != os.getpid():
            return State(writing=True)  # a forked child sees what its parent has fetched
        with self._lock:
            if not self.is_over:
                self._look()
                if self.is_over:
                    self.release()
            return State(writing=not self.is_over)

    def _look(self) -> None:
        deadline = clock.monotonic() + _LOOK_S
        found: list[tuple[TaskPart, list[Chunk]]] = []
        for part in self._parts:
            if part.is_over or not part.next_look <= clock.monotonic() < deadline:
                continue
            try:
                part.look(self._collector, _LOOK_S)
                found.append((part, part.fetch(self._collector, _LOOK_S)))
            except ConnectionError:
                part.next_look = clock.monotonic() + _RETRY_S
                part.is_over = part.feed.member.is_gone or not self._collector.update().writing
        with deferred_interrupts():
            self.write(_in_order(chunks for _, chunks in found), [part for part, _ in found])

    def write(self, chunks: list[Chunk], parts: list[TaskPart]) -> None:
        """Write what was fetched of some parts."""
        assert self._appender is not None
        for source, data, time_ns in chunks:
            self._latest = max(self._latest, time_ns)
            self._appender.add(source, data, self._latest)
        self._appender.flush()
        for part in parts:
            part.commit()

    def wait(self, timeout: float | None) -> bool:
        """Wait (s) until no process lives that may write; tell whether that is so."""
        deadline = None if timeout is None else clock.monotonic() + timeout
        while self.update().writing:
            if deadline is not None and clock.monotonic() >= deadline:
                return False
            clock.sleep(_INTERVAL_S)
        return True

    def release(self) -> None:
        """Fetch nothing more."""
        appender, self._appender = self._appender, None
        if appender is not None and self._owner == os.getpid():
            appender.close()
