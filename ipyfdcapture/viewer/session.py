"""One view's session: requests to replies. It knows no front end.

The *line*, the *position* and the *index* of a line are three numbers: `shown` says which. What
scans find is held as a byte a position (`columns`), so nothing takes more than some milliseconds
of the kernel's time.
"""

from __future__ import annotations

import base64
import threading
import zlib
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ..log.captured import Captured
from ..log.levels import CODES
from ..log.reading import Reading
from ..recording.sources import is_stderr
from . import columns
from .columns import LEVELS, Column, Condition
from .finder import Finder
from .requests import (
    BadRequest,
    Bye,
    Filter,
    Follow,
    Info,
    Line,
    Locate,
    Marks,
    Pattern,
    Request,
    Rows,
    SearchFor,
    Select,
    Spans,
    Status,
    Step,
    Text,
    parse,
)
from .rows import WHOLE_BYTES, RowWriter
from .shown import Shown
from .waiting import CLOSED, Gone, Waiter

#: So many lines go along while a growing log is followed.
TAIL_LINES = 100
#: So many lines go along with the first answer: a view need not ask again before it can draw.
FIRST_ROWS = 200
#: One answer holds so much text, compressed: Jupyter Server lets some 1 MB/s pass, and drops the
#: rest.
TEXT_BYTES = 1 << 20

#: What is asked for last of these counts.
_SETTINGS = (SearchFor, Filter, Follow, Select)

Send = Callable[[dict[str, Any]], None]


class Session:
    """What one view shows of a log, and what it looks for.

    Parameters
    ----------
    log
        The log.
    send
        Takes events for the view; called from any thread.
    search, level
        What to look for at first, and the least level to show.
    """

    def __init__(
        self,
        log: Captured,
        send: Send,
        search: Pattern | None = None,
        level: str | None = None,
    ) -> None:
        self.log = log
        #: Whether nothing more can come.
        self.is_complete = False
        self.is_closed = False
        self.lock = threading.RLock()
        self.finder = Finder(log.recording, self._line_changed)
        self.shown = Shown(self.finder, search, Filter(level=level))
        self._send = send
        self._reading: Reading | None = None
        self._is_begun = False  # whether something is looked for
        self._follows = False
        self._selected: Sequence[int] = range(0)  # positions
        self._set_by: dict[type, int] = {}  # the id of the last request of each of `_SETTINGS`
        self._waiter = Waiter(self)

    # -- for the widget ---------------------------------------------------------------------------

    def handle(self, message: object) -> dict[str, Any]:
        """Return the reply to a message from the browser, whatever it is."""
        reply: dict[str, Any] = {}
        number = message.get("id") if isinstance(message, Mapping) else None
        if isinstance(number, int) and abs(number) < 1 << 53:
            reply["re"] = number
        try:
            if not isinstance(message, Mapping):
                raise BadRequest(f"a request is an object, not {message!r:.50}")
            request = parse(message)
            with self.lock:
                if not isinstance(request, Bye):
                    self._open()
                if not isinstance(request, Bye | Info) or self.shown.is_narrowed:
                    self.begin()
                reply |= self._answer(request, reply.get("re", 0))
        except BadRequest as error:
            reply["error"] = str(error)
        except Gone as error:
            reply["gone"] = str(error)
        return reply

    def begin(self) -> None:
        """Have levels looked for, and what else is wanted.

        To start the process for that takes longer than to read the first lines: the view gets
        those before.
        """
        with self.lock:
            if self._reading is None:
                return
            if not self._is_begun:
                self._is_begun = True
                self.finder.ask(LEVELS)
                self.shown.begin()
            self._waiter.wake()

    def push(self) -> None:
        """Send how things stand, unasked, with the last lines."""
        with self.lock:
            try:
                self._open()
                self.begin()
                self.tell(grown=True, more=self._description())
            except Gone as error:
                self.say_gone(str(error))

    def selected(self) -> Captured:
        """Return the lines that are marked in the view."""
        with self.lock:
            try:
                reading = self._open()
                self.begin()
            except Gone as error:
                raise ValueError(str(error)) from None
            return self.log._narrowed(self.shown.lines(self._selected), reading)

    def close(self) -> None:
        """Let go of the log, and end what is at work."""
        with self.lock:
            self.is_closed = True
            self.release()
            # 10 MB for each of them, that else wait until the garbage is collected.
            self.finder.forget()
            self.shown.forget()

    # -- for who waits for what comes (`waiting`) -----------------------------------------------

    def look(self) -> bool:
        """Read the log as it is now; tell whether that is new."""
        before, was_complete = self._reading, self.is_complete
        try:
            reading = self.log._read()
            self.is_complete = self.log.complete
        except (OSError, ValueError) as error:
            raise Gone(f"the log cannot be read any more: {error}") from None
        if before is not None and len(reading.lines.snapshot) == len(before.lines.snapshot):
            return self.is_complete != was_complete
        # Over a limit, what follows the gap moves on with everything written.
        moved = before is not None and reading.lines.index is not before.lines.index
        unfinished = [] if before is None or moved else before.lines.unfinished()
        again = [bisect_left(self.shown.positions, nth) for nth in unfinished]
        self._reading = reading
        self.shown.look_at(reading)
        self.finder.look_at(reading, self.shown.positions, again)
        if moved:
            self.finder.begin_anew()
            self._selected = range(0)
            self.shown.begin_anew()
        self.shown.extend()
        return True

    def release(self) -> None:
        """Let go of the log and of the scan process; the next request takes them up again."""
        self.finder.close()
        self._reading = None
        self._is_begun = False

    def tell(self, grown: bool = False, more: dict[str, Any] | None = None) -> None:
        """Send how things stand; where the log has ``grown`` and is followed, its last lines."""
        status = self._status() | (more or {})
        if grown and self._follows:
            start = max(0, self.shown.count - TAIL_LINES)
            status |= {"start": start, "rows": self._rows(self.shown.members(start, TAIL_LINES))}
        self._send(status)

    def extend_shown(self) -> None:
        """Show what was found by now of what is wanted."""
        self.shown.extend()

    def say_gone(self, why: str) -> None:
        """Send that there is no log any more."""
        self._send({"event": "status", "gone": why})

    def _line_changed(self) -> None:
        self.shown.begin_anew()

    # -- the log --------------------------------------------------------------------------------

    def _open(self) -> Reading:
        """Return the log as it was at the last look; raise `Gone` if there is none any more."""
        if self.log.recording.closed:
            self.release()
            raise Gone(CLOSED)
        if self.is_closed:
            raise Gone("the viewer was closed")
        if self._reading is None:
            self.look()
        assert self._reading is not None
        return self._reading

    @property
    def _log(self) -> Reading:
        assert self._reading is not None
        return self._reading

    # -- replies --------------------------------------------------------------------------------

    def _answer(self, request: Request, number: int) -> dict[str, Any]:
        if isinstance(request, Spans):
            return self._find_spans(request.texts, number)
        if isinstance(request, Info):
            first = {"start": 0, "rows": self._rows(self.shown.members(0, FIRST_ROWS))}
            return self._status() | self._description() | first
        if isinstance(request, Bye):
            self.close()
            return {}
        if isinstance(request, _SETTINGS):
            if number < self._set_by.get(type(request), number):
                return self._status()  # its answer was lost, and it comes again, after a later one
            self._set_by[type(request)] = number
        return self._answers[type(request)](self, request)

    def _give_status(self, request: Status) -> dict[str, Any]:
        return self._status()

    def _description(self) -> dict[str, Any]:
        return {
            "sources": [[name, is_stderr(name)] for name in self._log.sources],
            "started": self._log.started / 1e6,
            "search": None if self.shown.search is None else vars(self.shown.search),
            "level": self.shown.filter.level,
        }

    def _give_rows(self, request: Rows) -> dict[str, Any]:
        rows = self._rows(self.shown.members(request.start, request.count))
        return {"generation": self.shown.generation, "start": request.start, "rows": rows}

    def _rows(self, positions: Sequence[int]) -> list[list[Any]]:
        return RowWriter(self._log).rows(self.shown.lines(positions))

    def _whole_line(self, request: Line) -> dict[str, Any]:
        if not 0 < request.number <= len(self._log.lines):
            raise BadRequest(f"there is no line {request.number:,}")
        (row,) = RowWriter(self._log).rows([request.number - 1], WHOLE_BYTES)
        row[-1] *= -1  # what is left out of this cannot be asked for
        return {"row": row}

    def _text(self, request: Text) -> dict[str, Any]:
        start, stop = request.start, min(request.stop, self.shown.count)
        writer = RowWriter(self._log)
        texts: list[str] = []
        size = 0
        while start < stop and size < TEXT_BYTES:
            lines = self.shown.lines(self.shown.members(start, min(1000, stop - start)))
            for text in writer.texts(lines, WHOLE_BYTES):
                texts.append(text)
                size += len(text) + 1
                start += 1
                if size >= TEXT_BYTES:
                    break
        packed = zlib.compress("".join(f"{text}\n" for text in texts).encode())
        return {"packed": base64.b64encode(packed).decode(), "next": start}

    def _search_for(self, request: SearchFor) -> dict[str, Any]:
        self.shown.search_for(request.pattern)
        return self._status()

    def _narrow(self, request: Filter) -> dict[str, Any]:
        count = len(self._log.sources)
        if request.sources is not None and any(n >= count for n in request.sources):
            raise BadRequest(f"sources are numbers below {count}")
        self.shown.narrow(request)
        return self._status()

    def _step(self, request: Step) -> dict[str, Any]:
        table = None
        key = self.shown.search_key
        if request.what == "level":
            key, table = LEVELS, columns.at_least(request.level)
        if key is None:
            return {"index": None, "is_done": True}
        column = self.finder.ask(key)
        conditions = self.shown.among(Condition(column, table))
        known = min(len(each.column.bytes) for each in conditions)
        position = -1
        if request.start >= 0:
            position = next(iter(self.shown.members(request.start, 1)), len(self.shown.positions))
        found = columns.step(conditions, position, request.back, known)
        is_done = column.task is None and self.shown.is_known
        if found is None:
            if not is_done:
                self.finder.want_too(key)
            return {"index": None, "is_done": is_done}
        nth = columns.total(conditions, found)
        return {"index": self.shown.index(found), "nth": nth, "is_done": is_done}

    def _marks(self, request: Marks) -> dict[str, Any]:
        count = self.shown.count
        buckets = min(request.buckets, count)
        indices = [i * count // buckets for i in range(buckets)]
        starts = [next(iter(self.shown.members(index, 1)), 0) for index in indices]
        stops = [*starts[1:], len(self.shown.positions)][:buckets]
        serious, search = self.finder.found(LEVELS), self.finder.found(self.shown.search_key)
        levels, matches = [], []
        for start, stop in zip(starts, stops, strict=True):
            levels.append(self._worst(serious, start, stop))
            matches.append(self._have(search, start, stop, None))
        return {"generation": self.shown.generation, "levels": levels, "matches": matches}

    def _worst(self, column: Column | None, start: int, stop: int) -> int:
        """Return the code of the worst shown level from warnings on; 0: there is none."""
        if not self._have(column, start, stop, columns.at_least("warning")):
            return 0
        for level in ("critical", "error"):
            if self._have(column, start, stop, columns.exactly(CODES[level])):
                return CODES[level]
        return CODES["warning"]

    def _have(self, column: Column | None, start: int, stop: int, table: bytes | None) -> bool:
        if column is None or not column.count:
            return False
        conditions = self.shown.among(Condition(column, table))
        stop = min(stop, *(len(each.column.bytes) for each in conditions))
        return start < stop and 1 in columns.combined(conditions, start, stop)

    def _locate(self, request: Locate) -> dict[str, Any]:
        nth = 0
        if request.number is not None:
            nth = max(0, request.number - 1)
        elif request.seconds is not None:
            nth = self._line_at(request.seconds)
        position = bisect_left(self.shown.positions, nth)
        if position >= self.shown.known and not self.shown.is_known:
            return {"index": None, "is_done": False}
        index = self.shown.index(position)
        return {"index": min(index, max(0, self.shown.count - 1)), "is_done": True}

    def _line_at(self, seconds: float) -> int:
        """Return the first line from a moment on; where the clock was set back, one of them."""
        snapshot = self._log.lines.snapshot
        chunk = bisect_left(snapshot.times, self._log.started + round(seconds * 1e9))
        if chunk == len(snapshot.times):
            return max(0, len(self._log.lines) - 1)
        return self._log.lines.started_before(snapshot.starts[chunk])

    def _follow(self, request: Follow) -> dict[str, Any]:
        self._follows = request.on
        return {}

    def _select(self, request: Select) -> dict[str, Any]:
        self._selected = self.shown.members(request.start, max(0, request.stop - request.start))
        return {}

    def _find_spans(self, texts: tuple[str, ...], number: int) -> dict[str, Any]:
        """Have the scan process find where an expression matches; it answers later."""
        nothing: dict[str, Any] = {"spans": [[] for _ in texts]}
        if self.shown.search is None or not self.shown.search.regex or not texts:
            return nothing
        take = partial(self._take_spans, number)
        return {"later": True} if self.finder.ask_spans(self.shown.search, texts, take) else nothing

    def _take_spans(self, number: int, spans: list[Any]) -> None:
        self._send({"re": number, "spans": spans})

    _answers: Mapping[type, Callable[[Session, Any], dict[str, Any]]] = {
        Status: _give_status,
        Rows: _give_rows,
        Line: _whole_line,
        Text: _text,
        SearchFor: _search_for,
        Step: _step,
        Filter: _narrow,
        Marks: _marks,
        Locate: _locate,
        Follow: _follow,
        Select: _select,
    }

    # -- events ---------------------------------------------------------------------------------

    def _status(self) -> dict[str, Any]:
        """Return how things stand. Each status is whole: if one is lost, the next does as well.

        A view that hears no more, though the last was not ``is_final``, asks for one.
        """
        lines = len(self.shown.positions)
        summary = self.log._summary(self._log)
        serious = self.finder.found(LEVELS) or Column()
        return {
            "event": "status",
            "generation": self.shown.generation,
            "lines": lines,
            "shown": self.shown.count,
            "filtered": self.shown.known,
            "is_complete": self.is_complete,
            "is_final": self.is_complete and self._is_begun and self.finder.has_told_all,
            "state": summary.state,
            "phrases": summary.phrases(),
            "levels": serious.counts,
            "scanned": len(serious.bytes),
            "found": self._search_status(),
            "timeline": self.finder.timeline,
            "problems": self.finder.errors,
        }

    def _search_status(self) -> dict[str, Any] | None:
        column = self.finder.found(self.shown.search_key)
        if column is None:
            return None
        count, hidden = self.shown.counts_of(column)
        return {
            "count": count,
            "hidden": hidden,
            "looked": len(column.bytes),
            "is_done": column.task is None,
            "slow": column.slow,
            "error": column.error,
        }
