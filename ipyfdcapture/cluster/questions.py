"""Questions to workers, and their answers, which are all taken in one thread."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from ..system import clock
from .clock import LogClock
from .names import printable
from .protocol import Answer, Cluster, Request

#: An answer that has not come by then does not come: it was lost with a connection, or the
#: question was. A worker that was stuck for longer is asked anew.
PATIENCE_S = 60.0
#: What a worker says of an error is cut to so many characters.
_MOST_ERROR_CHARS = 500

#: Takes an answer. What went wrong is an answer too: it has ``error``, in one line, and ``lost`` if
#: the worker said nothing.
Then = Callable[[Answer], None]


@dataclass(eq=False)
class _Question:
    """One that waits for its answer."""

    member: str
    then: Then
    #: When it is given up (monotonic, s).
    until: float


class Questions:
    """Asks the workers of a cluster for one log.

    Parameters
    ----------
    cluster
        The way to the workers.
    added
        What each question says beside itself.
    clock
        The log's: each answer has its time of arrival, as ``arrived``.
    lock
        Held while an answer is given.
    """

    def __init__(
        self, cluster: Cluster, added: Request, clock: LogClock, lock: AbstractContextManager[Any]
    ) -> None:
        self._cluster = cluster
        self._added = added
        self._clock = clock
        self._lock = lock
        self._news: queue.SimpleQueue[tuple[_Question, Answer] | None] = queue.SimpleQueue()
        self._waiting: dict[_Question, None] = {}

    def send(self, member: str, request: Request) -> Future[Answer]:
        """Ask one worker, whoever takes the answer. Do not wait; it may never come."""
        return self._cluster.ask(member, {**request, **self._added})

    def ask(self, member: str, request: Request, then: Then) -> None:
        """Ask one worker. `take` gives the answer to ``then``, or says that it was lost."""
        try:
            asked = self.send(member, request)
        except Exception as error:
            asked = Future()
            asked.set_exception(error)
        self.expect(asked, member, then)

    def expect(self, asked: Future[Answer], member: str, then: Then) -> None:
        """Have `take` give what was asked of somebody to ``then``, or say that it was lost."""
        question = _Question(member, then, clock.monotonic() + PATIENCE_S)
        self._waiting[question] = None

        def answered(future: Future[Answer]) -> None:
            arrived = self._clock.now()
            self._news.put((question, {**_answer_of(future), "arrived": arrived}))

        asked.add_done_callback(answered)

    def give_up(self, member: str) -> None:
        """Expect no answer of one worker any more: `take` says that all its questions were lost."""
        for question in self._waiting:
            if question.member == member:
                question.until = 0.0

    def wake(self) -> None:
        """Have `take` return at once."""
        self._news.put(None)

    def take(self, wait_s: float) -> None:
        """Wait (s) for an answer or for `wake`, and take all answers that there are."""
        with contextlib.suppress(queue.Empty):
            while True:
                news = self._news.get(timeout=wait_s) if wait_s > 0 else self._news.get_nowait()
                wait_s = 0.0
                if news is not None:
                    self._give(*news)
        self._give_up_late()

    def _give(self, question: _Question, answer: Answer) -> None:
        if question not in self._waiting:
            return  # it was given up
        del self._waiting[question]
        with self._lock:
            try:
                question.then(answer)
            except Exception as error:  # one worker's nonsense stops no other's output
                why = f"its answer makes no sense ({type(error).__name__}: {error})"
                question.then({"error": _one_line(why)})

    def _give_up_late(self) -> None:
        now = clock.monotonic()
        for question in [each for each in self._waiting if each.until <= now]:
            self._give(question, _lost(TimeoutError("no answer")))


def _answer_of(future: Future[Answer]) -> Answer:
    try:
        answer: Any = future.result()
    except BaseException as error:  # a cancelled one too
        return _lost(error)
    if not isinstance(answer, dict):
        return {"error": "it has no ipyfdcapture"}
    return {**answer, "error": _one_line(answer["error"])} if "error" in answer else answer


def _lost(error: BaseException) -> Answer:
    return {"error": _one_line(f"{type(error).__name__}: {error}"), "lost": True}


def _one_line(text: object) -> str:
    return printable(str(text)[:_MOST_ERROR_CHARS])
