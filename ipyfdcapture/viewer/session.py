"""One view's session: requests to replies. It knows no front end.

Lines have three numbers here. A *line* is counted in the whole log; a *position* in what is viewed
(the log, or the narrower view that `explore` was called on); an *index* in what is shown, which a
filter narrows further. What scans find is held as a byte a position (`columns`), so nothing takes
more than some milliseconds of the kernel's time.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ..log.captured import Captured
from ..log.levels import CODES
from ..log.reading import Reading
from ..recording.sources import is_stderr
from . import columns
from .columns import LEVELS, Column, Condition, Key
from .finder import Finder
from .masks import Mask
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
    Step,
    Text,
    parse,
)
from .rows import WHOLE_BYTES, RowWriter
from .waiting import CLOSED, Gone, Waiter

#: So many lines go along while a growing log is followed.
TAIL_LINES = 100
#: So many lines go along with the first answer: a view need not ask again before it can draw.
FIRST_ROWS = 200
#: One answer holds so much text.
TEXT_BYTES = 1 << 20

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
        self.finder = Finder(log.recording, self._show_anew)
        self._send = send
        self._reading: Reading | None = None
        self._positions: Sequence[int] = range(0)  # the lines that are viewed, ascending
        self._search = search
        self._filter = Filter(level=level)
        self._shown: Mask | None = None  # None: all
        self._generation = 0
        self._follows = False
        self._selected: Sequence[int] = range(0)  # positions
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
                reply |= self._answer(request, reply.get("re", 0))
        except BadRequest as error:
            reply["error"] = str(error)
        except Gone as error:
            reply["gone"] = str(error)
        return reply

    def push(self) -> None:
        """Send how things stand, unasked, with the last lines."""
        with self.lock:
            try:
                self._open()
                self.tell(grown=True, more=self._description())
            except Gone as error:
                self.say_gone(str(error))

    def selected(self) -> Captured:
        """Return the lines that are marked in the view."""
        with self.lock:
            try:
                reading = self._open()
            except Gone as error:
                raise ValueError(str(error)) from None
            return self.log._narrowed(self._lines_at(self._selected), reading)

    def close(self) -> None:
        """Let go of the log, and end what is at work."""
        with self.lock:
            self.is_closed = True
            self.release()

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
        again = [bisect_left(self._positions, nth) for nth in unfinished]
        self._reading, self._positions = reading, ascending(reading.indices)
        self.finder.look_at(reading, self._positions, again)
        if moved:
            self.finder.begin_anew()
            self._selected = range(0)
            self._show_anew()
        self.extend_shown()
        return True

    def release(self) -> None:
        """Let go of the log and of the scan process; the next request takes them up again."""
        self.finder.close()
        self._reading = None

    def tell(self, grown: bool = False, more: dict[str, Any] | None = None) -> None:
        """Send how things stand; where the log has ``grown`` and is followed, its last lines."""
        status = self._status() | (more or {})
        if grown and self._follows:
            start = max(0, self._count() - TAIL_LINES)
            status |= {"start": start, "rows": self._rows(self._members(start, TAIL_LINES))}
        self._send(status)

    def say_gone(self, why: str) -> None:
        """Send that there is no log any more."""
        self._send({"event": "status", "gone": why})

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
            self.finder.ask(LEVELS)
            if self._shown is None:
                self._show()
        self._waiter.wake()
        assert self._reading is not None
        return self._reading

    @property
    def _log(self) -> Reading:
        assert self._reading is not None
        return self._reading

    def _lines_at(self, positions: Sequence[int]) -> Sequence[int]:
        if isinstance(self._positions, range):
            first = self._positions.start
            if isinstance(positions, range):
                return range(first + positions.start, first + positions.stop)
            return array("I", [first + position for position in positions])
        if isinstance(positions, range):
            return self._positions[positions.start : positions.stop]
        return array("I", map(self._positions.__getitem__, positions))

    # -- what is shown --------------------------------------------------------------------------

    def _conditions(self) -> list[Condition]:
        """Return what the filter wants, as conditions on columns."""
        chosen, ask = self._filter, self.finder.ask
        wanted: list[Condition] = []
        if chosen.level is not None:
            wanted.append(Condition(ask(LEVELS), columns.at_least(chosen.level)))
        if chosen.sources is not None:
            wanted.append(Condition(ask(Key("sources", sources=chosen.sources))))
        if chosen.first is not None or chosen.last is not None:
            wanted.append(Condition(ask(self._between(chosen.first, chosen.last))))
        for pattern in chosen.exclude:
            wanted.append(Condition(ask(Key("search", pattern)), columns.OTHERS))
        for pattern in chosen.within:
            wanted.append(Condition(ask(Key("search", pattern))))
        if chosen.only and self._search is not None:
            wanted.append(Condition(ask(Key("search", self._search)), None, chosen.context))
        return wanted

    def _between(self, first: float | None, last: float | None) -> Key:
        def moment(seconds: float | None, default: int) -> int:
            return (
                default if seconds is None else (self._log.started + round(seconds * 1e9)) // 1000
            )

        return Key("between", first=moment(first, -(1 << 62)), last=moment(last, 1 << 62))

    def _show(self) -> None:
        """Begin to show what the filter wants."""
        self._note_needs()
        self._shown = Mask() if self._conditions() else None
        self.extend_shown()

    def _show_anew(self) -> None:
        self._generation += 1
        self._show()

    def extend_shown(self) -> None:
        """Show what the filter wants of what was found by now."""
        shown = self._shown
        if shown is None:
            return
        conditions = self._conditions()
        stop = columns.known(conditions, len(self._positions), self.finder.is_idle)
        for start in range(len(shown), stop, columns.SLICE):
            shown.extend(columns.combined(conditions, start, min(start + columns.SLICE, stop)))

    def _count(self) -> int:
        return len(self._positions) if self._shown is None else self._shown.count

    def _members(self, start: int, count: int) -> Sequence[int]:
        """Return the positions of shown lines."""
        if self._shown is None:
            return range(len(self._positions))[start : start + count]
        return self._shown.members(start, count)

    def _index(self, position: int) -> int:
        """Return where a position is, or would be, in what is shown."""
        return position if self._shown is None else self._shown.rank(position)

    def _among_shown(self, condition: Condition) -> list[Condition]:
        return [condition, *([] if self._shown is None else [Condition(self._shown)])]

    def _search_key(self) -> Key | None:
        return None if self._search is None else Key("search", self._search)

    # -- replies --------------------------------------------------------------------------------

    def _answer(self, request: Request, number: int) -> dict[str, Any]:
        if isinstance(request, Spans):
            return self._find_spans(request.texts, number)
        if isinstance(request, Info):
            first = {"start": 0, "rows": self._rows(self._members(0, FIRST_ROWS))}
            return self._status() | self._description() | first
        if isinstance(request, Bye):
            self.close()
            return {}
        return self._answers[type(request)](self, request)

    def _description(self) -> dict[str, Any]:
        return {
            "sources": [[name, is_stderr(name)] for name in self._log.sources],
            "started": self._log.started / 1e6,
            "search": None if self._search is None else vars(self._search),
            "level": self._filter.level,
        }

    def _give_rows(self, request: Rows) -> dict[str, Any]:
        rows = self._rows(self._members(request.start, request.count))
        return {"generation": self._generation, "start": request.start, "rows": rows}

    def _rows(self, positions: Sequence[int]) -> list[list[Any]]:
        return RowWriter(self._log).rows(self._lines_at(positions))

    def _whole_line(self, request: Line) -> dict[str, Any]:
        if not 0 < request.number <= len(self._log.lines):
            raise BadRequest(f"there is no line {request.number:,}")
        return {"row": RowWriter(self._log).rows([request.number - 1], WHOLE_BYTES)[0]}

    def _text(self, request: Text) -> dict[str, Any]:
        start, stop = request.start, min(request.stop, self._count())
        writer = RowWriter(self._log)
        texts: list[str] = []
        size = 0
        while start < stop and size < TEXT_BYTES:
            lines = self._lines_at(self._members(start, min(1000, stop - start)))
            for text in writer.texts(lines, WHOLE_BYTES):
                texts.append(text)
                size += len(text) + 1
                start += 1
                if size >= TEXT_BYTES:
                    break
        return {"text": "".join(f"{text}\n" for text in texts), "next": start}

    def _search_for(self, request: SearchFor) -> dict[str, Any]:
        before, self._search = self._search, request.pattern
        if self._filter.only and before != self._search:
            self._show_anew()
        else:
            self._note_needs()
        return self._status()

    def _note_needs(self) -> None:
        """Have what is searched for looked for, and nothing forgotten of what is shown by."""
        key = self._search_key()
        patterns = (*self._filter.exclude, *self._filter.within)
        self.finder.need({Key("search", each) for each in patterns} | ({key} if key else set()))
        if key is not None:
            self.finder.ask(key)

    def _narrow(self, request: Filter) -> dict[str, Any]:
        count = len(self._log.sources)
        if request.sources is not None and any(n >= count for n in request.sources):
            raise BadRequest(f"sources are numbers below {count}")
        if request != self._filter:
            self._filter = request
            self._show_anew()
        return self._status()

    def _step(self, request: Step) -> dict[str, Any]:
        table = None
        key = self._search_key()
        if request.what == "level":
            key, table = LEVELS, columns.at_least(request.level)
        if key is None:
            return {"index": None, "is_done": True}
        column = self.finder.ask(key)
        conditions = self._among_shown(Condition(column, table))
        known = min(len(each.column.bytes) for each in conditions)
        position = -1
        if request.start >= 0:
            position = next(iter(self._members(request.start, 1)), len(self._positions))
        found = columns.step(conditions, position, request.back, known)
        is_done = column.task is None
        if found is None:
            return {"index": None, "is_done": is_done}
        nth = columns.total(conditions, found)
        return {"index": self._index(found), "nth": nth, "is_done": is_done}

    def _marks(self, request: Marks) -> dict[str, Any]:
        count = self._count()
        buckets = min(request.buckets, count)
        indices = [i * count // buckets for i in range(buckets)] if buckets else []
        starts = [next(iter(self._members(index, 1)), 0) for index in indices]
        stops = [*starts[1:], len(self._positions)]
        serious, search = self.finder.found(LEVELS), self.finder.found(self._search_key())
        levels, matches = [], []
        for start, stop in zip(starts, stops, strict=True):
            levels.append(self._worst(serious, start, stop))
            matches.append(self._have(search, start, stop, None))
        return {"generation": self._generation, "levels": levels, "matches": matches}

    def _worst(self, column: Column | None, start: int, stop: int) -> int:
        """Return the code of the worst shown level from warnings on; 0: there is none."""
        for level in ("critical", "error", "warning"):
            code = CODES[level]
            has_any = column is not None and column.counts[code] > 0
            if has_any and self._have(column, start, stop, columns.exactly(code)):
                return code
        return 0

    def _have(self, column: Column | None, start: int, stop: int, table: bytes | None) -> bool:
        if column is None or not column.count:
            return False
        conditions = self._among_shown(Condition(column, table))
        stop = min(stop, *(len(each.column.bytes) for each in conditions))
        return start < stop and 1 in columns.combined(conditions, start, stop)

    def _locate(self, request: Locate) -> dict[str, Any]:
        nth = 0
        if request.number is not None:
            nth = max(0, request.number - 1)
        elif request.seconds is not None:
            nth = self._line_at(request.seconds)
        index = self._index(bisect_left(self._positions, nth))
        return {"index": min(index, max(0, self._count() - 1))}

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
        self._selected = self._members(request.start, max(0, request.stop - request.start))
        return {}

    def _find_spans(self, texts: tuple[str, ...], number: int) -> dict[str, Any]:
        """Have the scan process find where an expression matches; it answers later."""
        nothing: dict[str, Any] = {"spans": [[] for _ in texts]}
        if self._search is None or not self._search.regex or not texts:
            return nothing
        take = partial(self._take_spans, number)
        return {"later": True} if self.finder.ask_spans(self._search, texts, take) else nothing

    def _take_spans(self, number: int, spans: list[Any]) -> None:
        self._send({"re": number, "spans": spans})

    _answers: Mapping[type, Callable[[Session, Any], dict[str, Any]]] = {
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
        """Return how things stand. Each status is whole: one that is lost does no harm."""
        lines = len(self._positions)
        summary = self.log._summary(self._log)
        serious = self.finder.found(LEVELS) or Column()
        return {
            "event": "status",
            "generation": self._generation,
            "lines": lines,
            "shown": self._count(),
            "filtered": lines if self._shown is None else len(self._shown),
            "is_complete": self.is_complete,
            "state": summary.state,
            "phrases": summary.phrases(),
            "levels": serious.counts,
            "scanned": len(serious.bytes),
            "found": self._search_status(),
            "timeline": self.finder.timeline,
            "problems": self.finder.errors,
        }

    def _search_status(self) -> dict[str, Any] | None:
        column = self.finder.found(self._search_key())
        if column is None:
            return None
        count = column.count
        if self._shown is not None and count:
            known = min(len(self._shown), len(column.bytes))
            count = columns.total(self._among_shown(Condition(column)), known)
        return {
            "count": count,
            "looked": len(column.bytes),
            "is_done": column.task is None,
            "slow": column.slow,
            "error": column.error,
        }


def ascending(indices: Sequence[int]) -> Sequence[int]:
    """Return the numbers of lines in ascending order: as a range if there is no hole in them."""
    if isinstance(indices, range):
        indices = indices if indices.step > 0 else indices[::-1]
        return indices if indices.step == 1 else array("I", indices)
    if len(indices) > 1 and indices[0] > indices[-1]:
        return array("I", sorted(indices))
    return indices
