"""What the user holds of a cluster's output: a log, and what can be asked of the workers."""

from __future__ import annotations

import re
from operator import itemgetter
from typing import Any

from ..checks import check_seconds
from ..live.follower import Follower
from ..log.captured import Captured
from ..log.levels import LEVELS
from ..recording import spool
from ..recording.copying import record_bytes
from ..recording.metadata import Metadata
from ..recording.recording import Recording
from .captured_cells import CapturedCells
from .collector import Collector
from .feeds import Feed
from .merging import Chunk, chunks_of
from .protocol import Answer
from .status import WorkerTable
from .task_log import find_parts, log_of_parts

#: How long a question to the workers may take.
_ANSWER_S = 10.0


class WorkersLog(Captured):
    """The output of all workers: a `Captured` that grows, in order of time.

    Its sources are ``worker-3/stdout`` and ``worker-3/stderr``; ``logs.source("worker-3")`` has
    both. What the workers write is fetched in the background, so whatever is asked of the log is
    answered at once, from what is here. `fetch` has everything here that was written by now.

    Parameters
    ----------
    recording
        What is here.
    collector
        What fetches.
    cells
        What gives it to captures of this process.
    follower
        What shows it as it comes. None: nothing does.
    """

    def __init__(
        self,
        recording: Recording,
        collector: Collector,
        cells: CapturedCells,
        follower: Follower | None,
    ) -> None:
        super().__init__(recording)
        self._collector = collector
        self._cells = cells
        self._follower = follower

    def workers(self) -> WorkerTable:
        """Return what is known of each worker, at once and without fetching anything.

        Returns
        -------
        WorkerTable
            A list of `ipyfdcapture.cluster.status.WorkerStatus`, shown as a table.
        """
        return WorkerTable(self._collector.statuses())

    def fetch(self, timeout: float | None = 60.0) -> bool:
        """Have everything here that the workers have written by now.

        Parameters
        ----------
        timeout
            How long (s) to wait at most; None: as long as it takes.

        Returns
        -------
        bool
            Whether it is here. If not, `workers` says what is missing, and why.
        """
        if timeout is not None:
            check_seconds("timeout", timeout, zero=True)
        return self._collector.fetch(timeout)

    def stop(self, timeout: float | None = 60.0) -> bool:
        """Fetch everything, and capture nothing more. The log stays; nothing is left on workers.

        Parameters
        ----------
        timeout
            How long (s) to fetch at most; None: as long as it takes.

        Returns
        -------
        bool
            Whether nothing is missing.
        """
        has_all = self._collector.stop(timeout)
        self._cells.close()
        if self._follower is not None:
            self._follower.capture_ended()
        return has_all

    def close(self) -> None:
        """Capture nothing more, have nothing left on any worker, and delete the log."""
        self._cells.close()
        if self._follower is not None:
            self._follower.abandon()
        super().close()

    def task(self, key: Any) -> Captured:
        """Return what one task wrote: with ``capture_workers(tasks=True)``.

        Parameters
        ----------
        key
            The task's key (``future.key``), or its future.

        Returns
        -------
        Captured
            What its worker wrote while it ran, and what processes wrote that it started; of its
            last run, if it ran more than once. It grows as long as they live: whoever looks at it
            has what they have written by then.

        Raises
        ------
        KeyError
            If no worker that can be asked knows of it.
        """
        word = str(getattr(key, "key", key))
        self._collector.meet(_ANSWER_S)
        parts = find_parts(self._collector, [word], _ANSWER_S)
        if not parts:
            raise KeyError(f"no worker knows of a task {word!r} (was the log made for tasks?)")
        return log_of_parts(self._collector, parts, _ANSWER_S)

    def parts(self, keys: list[str]) -> Captured:
        """Return what some tasks wrote, by the engine's numbers for them.

        Parameters
        ----------
        keys
            The numbers. What no worker knows of is left out.

        Returns
        -------
        Captured
            As for `task`, in order of time.
        """
        self._collector.meet(_ANSWER_S)
        parts = find_parts(self._collector, keys, _ANSWER_S)
        return log_of_parts(self._collector, parts, _ANSWER_S)

    @property
    def on_workers(self) -> OnWorkers:
        """The same log where it is: questions that the workers answer, without fetching it."""
        return OnWorkers(self._collector)


class OnWorkers:
    """Questions that are answered where the log is: only the answers are fetched.

    For logs of which it would take long to fetch all. Each question waits for the workers, for ten
    seconds at most, and raises `ConnectionError` if one of them does not answer.
    """

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def __len__(self) -> int:
        return sum(answer["count"] for _, answer in self._ask({"what": "len"}))

    def levels(self) -> dict[str, int]:
        """Count the lines that say how serious they are, as `Captured.levels` does."""
        counts = dict.fromkeys(LEVELS, 0)
        for _, answer in self._ask({"what": "levels"}):
            for level, count in answer["levels"].items():
                counts[level] += count
        return {level: count for level, count in counts.items() if count}

    def grep(
        self,
        pattern: str | re.Pattern[str] | None = None,
        ignore_case: bool = False,
        *,
        level: str | None = None,
    ) -> Captured:
        """Return the lines that match, of all workers, in order of time.

        Parameters
        ----------
        pattern, ignore_case, level
            As for `Captured.grep`.

        Returns
        -------
        Captured
            The lines. Of each worker at most 1 MiB; ``dropped`` counts the lines beyond that.
        """
        if pattern is None and level is None:
            raise TypeError("grep needs a pattern, or a level")
        request = {"what": "grep", "ignore_case": ignore_case, "level": level}
        if isinstance(pattern, re.Pattern):
            return self._lines({**request, "pattern": pattern.pattern, "flags": pattern.flags})
        return self._lines({**request, "pattern": pattern})

    def tail(self, n: int = 10) -> Captured:
        """Return the last lines of all workers together, in order of time.

        Parameters
        ----------
        n
            How many.
        """
        return self._lines({"what": "tail", "n": n}).tail(n)

    def _ask(self, request: dict[str, Any]) -> list[tuple[Feed, Answer]]:
        self._collector.meet(_ANSWER_S)
        answers = self._collector.ask_all({"do": "query", **request}, _ANSWER_S)
        for feed, answer in answers:
            if "error" in answer:
                raise ConnectionError(f"{feed.label} does not answer: {answer['error']}")
        return answers

    def _lines(self, request: dict[str, Any]) -> Captured:
        sources: list[str] = []
        chunks: list[Chunk] = []
        left_out = 0
        for feed, answer in self._ask(request):
            first = len(sources)
            sources += [f"{feed.label}/{name}" for name in answer["sources"]]
            left_out += answer["left_out"]
            found = feed.in_our_time(chunks_of(answer), self._collector.clock)
            chunks += [(first + source, data, time) for source, data, time in found]
        chunks.sort(key=itemgetter(2))
        return _log_of(chunks, tuple(sources), left_out)


def _log_of(chunks: list[Chunk], sources: tuple[str, ...], left_out: int = 0) -> Captured:
    started = chunks[0][2] if chunks else 0
    ended = chunks[-1][2] if chunks else 0
    metadata = Metadata(sources=sources, started=started, stopped=ended, dropped_before=left_out)
    return Captured(record_bytes(spool.directory(), chunks, metadata))
