"""What is looked for in a log, and what was found: the kernel's side of the scan process.

It asks the process for one `Column` a thing, keeps those that were asked for lately, begins anew
what a process that has gone was at, and has a growing log looked through as it grows.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..log.reading import Reading
from ..log.timing import time_range
from ..recording.recording import Recording
from ..system.threads import Counter
from .columns import LEVELS, Column, Key
from .requests import Pattern
from .scan import Scan
from .wire import Message

#: The time of a log is cut into so many parts.
TIMELINE_PARTS = 120
#: What was looked for lately is kept, up to so many bytes (a line takes one), and at least what is
#: looked for now: of ten million lines levels, a search, and the one before.
MOST_KEPT_BYTES = 32 << 20
#: So many matches of one line are marked.
MOST_SPANS = 200
#: A process that has gone is started again so often for one thing that is looked for.
MOST_RESTARTS = 2

TakeSpans = Callable[[list[Any]], None]


_task_numbers = Counter()


class Finder:
    """Looks through one log, in a process of its own.

    Parameters
    ----------
    recording
        The log.
    changed
        Called when a line that was looked at before is found to be another.
    """

    def __init__(self, recording: Recording, changed: Callable[[], None]) -> None:
        self.scan: Scan | None = None
        #: How many bytes came in each of `TIMELINE_PARTS`; None: not known yet.
        self.timeline: dict[str, Any] | None = None
        self._recording = recording
        self._changed = changed
        self._reading: Reading | None = None
        self._positions: Sequence[int] = range(0)
        self._columns: OrderedDict[Key, Column] = OrderedDict()
        self._wanted: set[Key] = set()
        self._tasks: dict[int, Key] = {}
        self._spans: dict[int, TakeSpans] = {}
        self._timelines: dict[int, tuple[float, float]] = {}  # by task: start and length, in s

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being looked for."""
        return not self._tasks

    @property
    def has_told_all(self) -> bool:
        """Whether nothing will come of what was asked for up to now."""
        return not (self._tasks or self._timelines)

    @property
    def errors(self) -> list[str]:
        """What went wrong."""
        return sorted({column.error for column in self._columns.values()} - {""})

    def look_at(self, reading: Reading, positions: Sequence[int], again: Iterable[int]) -> None:
        """Take a log, or what it has grown to.

        Parameters
        ----------
        reading
            The log.
        positions
            The lines that are viewed, ascending: an array, or a range without holes.
        again
            Positions of lines that may have grown since they were looked at.
        """
        self._reading, self._positions = reading, positions
        again = list(again)
        if self.scan is not None:
            self._open(reset=False)
        for key, column in self._columns.items():
            if column.task is None:
                self._go_on(key, column, again if key.depends_on_text else [])
        self._ask_timeline()

    def begin_anew(self) -> None:
        """Forget what was found: the lines have other numbers now."""
        self.close()
        keys = list(self._columns)
        self._columns.clear()
        for key in keys:
            self.ask(key)

    def forget(self) -> None:
        """End the process, and forget what was found."""
        self.close()
        self._columns.clear()

    def close(self) -> None:
        """End the process; what was found is kept."""
        if self.scan is not None:
            self.scan.close()
        self.scan = None
        self._reading = None if self._recording.closed else self._reading
        self._tasks.clear()
        self._spans.clear()
        self._timelines.clear()
        for column in self._columns.values():
            column.task = None

    def want(self, keys: set[Key]) -> None:
        """Learn what the user waits for: it goes before the rest, and is not forgotten.

        What the user no longer waits for is given up, such as a search for half of a word.
        """
        if keys != self._wanted:
            left, self._wanted = self._wanted - keys, keys
            for key in left - {LEVELS}:
                if key in self._columns and self._columns[key].task is not None:
                    self._drop(key)
            self._tell_wanted()

    def want_too(self, key: Key) -> None:
        """Learn of one thing more that the user waits for, until `want` is called again."""
        self.want(self._wanted | {key})

    def found(self, key: Key | None) -> Column | None:
        """Return what was found of something, if it was ever asked for."""
        return None if key is None else self._columns.get(key)

    def ask(self, key: Key) -> Column:
        """Return what was found of something, having it looked for if it is not yet."""
        column = self._columns.get(key)
        if column is None:
            column = self._columns[key] = Column()
            self._forget_old()
        self._columns.move_to_end(key)
        if column.task is None and not column.error and len(column.bytes) < len(self._positions):
            self._go_on(key, column, [])
        return column

    def ask_spans(self, pattern: Pattern, texts: Sequence[str], take: TakeSpans) -> bool:
        """Have ``take`` called with where an expression matches; tell whether it will be."""
        if self._started() is None:
            return False
        task = self._new_task()
        self._spans[task] = take
        wish = Key("search", pattern).wish()
        self._send("spans", task, texts=list(texts), most=MOST_SPANS, **wish)
        return True

    # -- asking the process ---------------------------------------------------------------------

    def _ask_timeline(self) -> None:
        reading = self._reading
        if self._timelines or reading is None or len(reading.lines) < 2 or self.scan is None:
            return  # once there is a process, it is asked
        start, stop = time_range(reading)
        task = self._new_task()
        self._timelines[task] = ((start - reading.started) / 1e9, (stop - start) / 1e9)
        self._send("timeline", task, start=start, stop=stop, entries=TIMELINE_PARTS)

    def _forget_old(self) -> None:
        spare = [key for key in self._columns if key != LEVELS and key not in self._wanted]
        most = MOST_KEPT_BYTES // max(1, len(self._positions))
        for key in spare[: max(0, len(self._columns) - most)]:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        task = self._columns.pop(key).task
        if task is not None:
            self._tasks.pop(task, None)
            self._send("cancel", task)

    def _go_on(self, key: Key, column: Column, again: list[int]) -> None:
        """Have lines looked through that are new, and some again."""
        if not len(self._positions):
            return
        if self._started() is None:
            column.error = "no process can be started to look through the log"
            return
        column.task = task = self._new_task()
        self._tasks[task] = key
        self._send("scan", task, start=len(column.bytes), again=again, **key.wish())
        if key in self._wanted:
            self._tell_wanted()

    def _tell_wanted(self) -> None:
        tasks = [task for task, key in self._tasks.items() if key in self._wanted]
        self._send("want", self._new_task(), tasks=tasks)

    def _new_task(self) -> int:
        return _task_numbers.next()

    def _started(self) -> Scan | None:
        if self.scan is None and self._reading is not None:
            with contextlib.suppress(OSError):
                self.scan = Scan()
                self._open(reset=True)
                self._ask_timeline()
        return self.scan

    def _open(self, reset: bool) -> None:
        assert self.scan is not None and self._reading is not None
        with contextlib.suppress(OSError):  # it is gone: who waits for it sees that
            self.scan.open(self._new_task(), self._recording, self._reading, self._positions, reset)

    def _send(self, what: str, number: int, **content: Any) -> None:
        if self.scan is not None:
            with contextlib.suppress(OSError):  # as above
                self.scan.ask(what, number, **content)

    # -- what it answers ------------------------------------------------------------------------

    def take(self, message: Message) -> None:
        """Take what the process found."""
        content = message.content
        number = content["id"]
        if number in self._spans:
            self._spans.pop(number)(content.get("spans", []))
        elif number in self._timelines:
            start, seconds = self._timelines.pop(number)
            sizes = content.get("bytes", [])
            self.timeline = {"start": start, "seconds": seconds, "bytes": sizes}
        elif number in self._tasks:
            self._take_piece(self._columns[self._tasks[number]], content, message.payload)
            if "error" in content or content["done"]:
                self._columns[self._tasks.pop(number)].task = None

    def _take_piece(self, column: Column, content: dict[str, Any], piece: bytes) -> None:
        if "error" in content:
            column.error = content["error"]
            return
        column.add(content["start"], piece)
        column.slow += len(content["slow"])
        changed = [column.put(position, value) for position, value in content["again"]]
        if any(changed):
            self._changed()

    def process_is_gone(self) -> None:
        """Begin anew what the process was at, unless that is what it dies of."""
        keys = list(self._tasks.values())
        waiting = list(self._spans.values())
        self.close()
        for take in waiting:
            take([])
        for key in keys:
            column = self._columns[key]
            column.restarts += 1
            if column.restarts > MOST_RESTARTS:
                column.error = "the process that looks through the log was stopped again and again"
            else:
                self.ask(key)
