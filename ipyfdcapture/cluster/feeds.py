"""What the client knows of a worker, and of a recording that one has."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from .clock import ClockOffset
from .merging import Stream
from .protocol import Answer, Request
from .summary import MOST_LINE_BYTES, Summary


@dataclass(eq=False)
class Member:
    """A worker, as the engine names it."""

    id: str
    host: str = ""
    pid: int = 0
    clock: ClockOffset = field(default_factory=ClockOffset)
    #: Since when (monotonic, s) it is being asked for a mark; None: it is not.
    asked: float | None = None
    #: Since when (monotonic, s) questions have failed; None: the last one was answered.
    failing: float | None = None
    next_mark: float = 0.0
    #: What was written before this (ns, by our clock) is known of.
    marked_at: int = 0
    #: Whether the engine has it no more, or it does not answer.
    is_gone: bool = False
    is_silent: bool = False
    #: Why it does not serve us.
    trouble: str = ""

    @property
    def is_awaited(self) -> bool:
        """Whether the order of all lines waits for it."""
        return not (self.is_gone or self.is_silent or self.trouble)


class Feed:
    """A recording of a worker, as far as it was fetched.

    Parameters
    ----------
    member
        Who has it.
    label
        What its lines are found by.
    mark
        What the worker said of it first.
    """

    def __init__(self, member: Member, label: str, mark: Answer) -> None:
        self.member = member
        self.label = label
        self.incarnation: str = mark["incarnation"]
        self.kept: str = mark["kept"]
        self.path: str = mark["path"]
        #: The number of each of its sources in the log.
        self.numbers: list[int] = []
        self.stream = Stream()
        self.fetched = 0
        self.end = 0
        #: Bytes that were gone before they could be fetched, and that it could not keep.
        self.missing = 0
        self.dropped = 0
        self.dropped_why: str | None = None
        self.summary: Summary | None = None
        #: When its worker stopped since it did not hear from us (ns, by our clock); 0: it did not.
        self.lapsed = 0
        self.is_reading = False
        #: Whether it is left where it is until somebody asks for it.
        self.is_paused = False
        #: Whether nothing more comes; and why not all has come.
        self.is_over = False
        self.given_up = ""
        self.rescued_since = 0.0
        self.next_rescue = 0.0
        #: What was written before this (ns, by our clock) is in the log.
        self.has_until = 0
        self._marked_end = 0
        self._marked_time = 0
        #: When marks were asked for, and how far it went, of those that the log does not reach.
        self._marks: deque[tuple[int, int]] = deque()

    @property
    def is_behind(self) -> bool:
        """Whether there is more to fetch, as far as is known."""
        return self.fetched < self.end and not self.given_up

    @property
    def may_have_more(self) -> bool:
        """Whether there may be more of it than was fetched."""
        return not self.given_up and (self.is_behind or not self.is_over)

    @property
    def can_be_had(self) -> bool:
        """Whether there may be, and somebody who has it."""
        return self.may_have_more and (self.member.is_gone or self.member.is_awaited)

    @property
    def is_awaited(self) -> bool:
        """Whether the order of all lines waits for it."""
        return self.can_be_had and not self.is_paused

    def marked(self, mark: Answer, asked: int) -> None:
        """Take what the worker says of it, asked at a time (ns)."""
        self._marks.append((asked, mark["end"]))
        self.end = max(self.end, mark["end"])
        self._marked_end, self._marked_time = mark["end"], mark["now"]
        self.dropped, self.dropped_why = mark["dropped"], mark["dropped_why"]
        self.summary = mark["summary"]
        self.is_over = mark["over"]
        if mark.get("lapsed"):
            self.lapsed = mark["lapsed"] - self.member.clock.ns
        self.rescued_since = 0.0
        self._promise()

    def take(self, answer: Answer) -> None:
        """Take a block."""
        self.missing += answer["start"] - self.fetched
        self.fetched = answer["start"] + len(answer["data"])
        self.end = max(self.end, answer["end"])
        offset = self.member.clock.ns
        self.stream.add(answer["chunks"], answer["data"], offset, self.numbers)
        self._promise()

    def _promise(self) -> None:
        """What was written before the mark is here: it gives nothing older any more."""
        if self.fetched >= self._marked_end:
            self.stream.gives_from(self._marked_time - self.member.clock.ns)

    def take_left(self, answer: Answer) -> None:
        """Take a block that was read from its files: its worker counts no lines any more."""
        is_next = self.summary is not None and self.summary["position"] == self.fetched
        self.take(answer)
        if self.summary is not None and is_next and b"\n" in answer["data"]:
            whole = answer["data"].rpartition(b"\n")[0]
            last = whole[whole.rfind(b"\n") + 1 :][:MOST_LINE_BYTES].decode("utf-8", "replace")
            self.summary["lines"] += whole.count(b"\n") + 1
            self.summary["last_line"] = last
            self.summary["position"] = self.fetched

    def note_written(self) -> None:
        """Note how far the log reaches."""
        written = self.fetched - self.stream.nbytes
        while self._marks and self._marks[0][1] <= written:
            self.has_until = self._marks.popleft()[0]

    def request_left(self, limit: int) -> Request:
        """Return the request to have its files read by another process."""
        return {
            "do": "left",
            "path": self.path,
            "kept": self.kept,
            "pid": self.member.pid,
            "start": self.fetched,
            "limit": limit,
        }

    def give_up(self, why: str) -> None:
        """Expect nothing more of it."""
        self.given_up = why

    @property
    def silent_s(self) -> float | None:
        """For how long (s) it has written nothing; None: it never wrote."""
        if self.summary is None or not self.summary["last_time"]:
            return None
        last = self.summary["last_time"] - self.member.clock.ns
        return max(0.0, (time.time_ns() - last) / 1e9)
