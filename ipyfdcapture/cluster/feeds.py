"""What the client knows of a worker, and of a recording that one has."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from .clock import ClockOffset, LogClock
from .merging import Chunk, Stream
from .protocol import Answer, Request
from .summary import MOST_LINE_BYTES, Summary

#: So many marks that the log does not reach are remembered: of a log that is not fetched, or far
#: behind, each second one is forgotten.
_MOST_MARKS = 1000


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


class _Mark(NamedTuple):
    """How far a recording went."""

    #: When it was asked for, and when the answer was here (ns, by our clock).
    asked: int
    arrived: int
    end: int
    #: How far (ns) the worker's clock was ahead of ours then.
    offset: int


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
        self.left_dir: str = mark["left_dir"]
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
        #: Whether its worker, or another one of its machine, was asked for a block.
        self.is_reading = self.is_rescuing = False
        #: Whether it is left where it is until somebody asks for it.
        self.is_paused = False
        #: Whether nothing more comes; and why not all has come.
        self.is_over = False
        self.given_up = ""
        self.rescued_since = 0.0
        self.next_rescue = 0.0
        #: What was written before this (ns, by our clock) is in the log.
        self.has_until = 0
        #: When it was asked for a mark last, how far it went, and from when on (ns, by our clock)
        #: it gives what lies behind that.
        self._marked_asked = 0
        self._marked_end = 0
        self._behind_from = 0
        #: Those that the log does not reach.
        self._marks: deque[_Mark] = deque()
        #: When its last byte was written, by its worker's clock and by ours (ns).
        self._last_time = 0
        self._last_written = 0
        #: Why its worker cannot read it, and when to ask again (monotonic, s).
        self.trouble = ""
        self.next_read = 0.0

    @property
    def is_behind(self) -> bool:
        """Whether there is more to fetch, as far as is known."""
        return self.fetched < self.end and not self.given_up

    @property
    def is_behind_mark(self) -> bool:
        """Whether there is more to fetch of what its worker had by the last mark."""
        return self.fetched < self._marked_end and not self.given_up

    @property
    def may_have_more(self) -> bool:
        """Whether there may be more of it than was fetched."""
        return not self.given_up and (self.is_behind or not self.is_over)

    @property
    def can_be_had(self) -> bool:
        """Whether there may be, and somebody who has it and can read it."""
        is_there = self.member.is_gone or self.member.is_awaited
        return self.may_have_more and is_there and not self.trouble

    @property
    def is_awaited(self) -> bool:
        """Whether the order of all lines waits for it."""
        return self.can_be_had and not self.is_paused

    def marked(self, mark: Answer, asked: int) -> None:
        """Take what the worker says of it, asked at a time (ns)."""
        self._note_last_written(mark, asked)
        self._note_mark(_Mark(asked, mark["arrived"], mark["end"], self.member.clock.ns))
        self.end = max(self.end, mark["end"])
        self._marked_asked, self._marked_end = asked, mark["end"]
        self._behind_from = min(mark["now"] - self.member.clock.ns, mark["arrived"])
        self.dropped, self.dropped_why = mark["dropped"], mark["dropped_why"]
        self.summary = mark["summary"]
        self.is_over = mark["over"]
        if mark.get("lapsed") and not self.lapsed:
            self.lapsed = mark["lapsed"] - self.member.clock.ns
        self.rescued_since = 0.0
        self._promise()

    def _note_mark(self, mark: _Mark) -> None:
        if self._marks and self._marks[-1].end == mark.end:  # nothing came since
            self._marks[-1] = self._marks[-1]._replace(asked=mark.asked)
            return
        self._marks.append(mark)
        if len(self._marks) > _MOST_MARKS:
            self._marks = deque([*self._marks][::-2][::-1])  # the last one stays

    def _note_last_written(self, mark: Answer, asked: int) -> None:
        last = mark["summary"]["last_time"]
        if last == self._last_time:
            return
        is_new = self.summary is not None and self.summary["position"] == self._marked_end
        earliest = self._marked_asked if is_new else 0
        self._last_time = last
        self._last_written = max(earliest, min(last - self.member.clock.ns, mark["arrived"]))

    def take(self, answer: Answer) -> None:
        """Take a block."""
        start, data = answer["start"], answer["data"]
        stop, end = start + len(data), max(self.end, answer["end"])
        # By the clock of the first mark that knew of it: its worker's may have been set since.
        now = _Mark(0, answer["arrived"], end, self.member.clock.ns)
        known = next((each for each in self._marks if each.end >= stop), now)
        self.stream.add(answer["chunks"], data, known.offset, self.numbers, latest=known.arrived)
        self.missing += start - self.fetched
        self.fetched, self.end = stop, end
        self._promise()

    def _promise(self) -> None:
        """What was written before the mark is here: it gives nothing older any more."""
        if self.fetched >= self._marked_end:
            self.stream.gives_from(self._behind_from)

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

    def reached(self, asked: int, answer: Answer) -> None:
        """All is here that its files had at a time (ns): what comes later is of a later time."""
        mark = _Mark(asked, answer["arrived"], self.end, self.member.clock.ns)
        self._note_mark(mark)
        self._marked_asked, self._marked_end, self._behind_from = asked, self.end, asked
        self._promise()

    def note_written(self) -> None:
        """Note how far the log reaches."""
        written = self.fetched - self.stream.nbytes
        while self._marks and self._marks[0].end <= written:
            self.has_until = max(self.has_until, self._marks.popleft().asked)

    def request_left(self, limit: int) -> Request:
        """Return the request to have its files read by another process."""
        return {
            "do": "left",
            "path": self.path,
            "left_dir": self.left_dir,
            "pid": self.member.pid,
            "start": self.fetched,
            "limit": limit,
        }

    def give_up(self, why: str) -> None:
        """Expect nothing more of it."""
        self.given_up = why

    def in_our_time(self, chunks: Iterable[Chunk], clock: LogClock) -> Iterator[Chunk]:
        """Yield chunks that were asked for by themselves, with times by the log's clock.

        They keep their own order. The worker's clock is taken to have been as it is now.
        """
        offset, latest = self.member.clock.ns, 0
        for source, data, time in chunks:
            latest = max(latest, min(time - offset, clock.now()))
            yield source, data, latest

    def silent_s(self, now: int) -> float | None:
        """Return for how long (s) it has written nothing at a time (ns); None: it never wrote."""
        return max(0.0, (now - self._last_written) / 1e9) if self._last_written else None
