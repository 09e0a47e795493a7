"""What the scan process does: it looks through a log, a task at a time, a block at a time.

It maps the files of the recording and answers with masks, a byte a line. After each block the next
task is chosen: what the user waits for goes first, and of that the task that is furthest behind.
So a search does not wait for levels that nobody asked for, and a search among the lines of a filter
finds its first match when both have got there, not when one of them is done. An expression has
so long for a line (`LINE_S`); the expression engine itself looks for signals, so even one that
would take years is stopped.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..log.finding import find
from ..log.levels import READ_BYTES, LevelCodes
from ..log.lines import LineIndex, Lines, content
from ..log.search import Search, compile_search
from ..log.seen import Sight
from ..log.timing import ranges_between, total_bytes_over_time
from ..recording.format import ENTRY, ENTRY_WORDS
from ..recording.mapping import map_content_of, map_file
from ..recording.recording import Snapshot
from ..system import clock
from .wire import Message, Wire

#: An expression may take so long for one line; a line that takes longer is told of as not searched.
LINE_S = 0.1
#: After so many lines of that kind, the expression is given up.
MOST_SLOW_LINES = 20
#: Results are sent at least this often, and the first sooner.
_SEND_S = 0.1
_FIRST_SEND_S = 0.03
#: While an expression is at work, look this often whether the kernel is still there.
_TICK_S = 0.05
#: A block that took no longer than this needs no look at its lines one by one.
_BLOCK_S = LINE_S


class TooSlow(Exception):
    """The time for a line is over."""


class TooManySlowLines(Exception):
    """An expression is given up."""


class Scanner:
    """Serves one kernel over ``wire`` until that is gone."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._lines: Lines | None = None
        self._index = LineIndex()
        self._selection: Sequence[int] = range(0)
        self._encoding = ("utf-8", "replace")  # until a log is opened
        self._tasks: dict[int, Iterator[None]] = {}
        self._spent: dict[int, float] = {}  # seconds that each task has had
        self._wanted: frozenset[int] = frozenset()
        self._levels = LevelCodes(Sight(*self._encoding))
        self._clock = _Clock(wire)

    def run(self) -> None:
        """Answer until the kernel is gone."""
        while True:
            if not self._tasks or self._wire.has_message or _is_readable(self._wire):
                messages = self._wire.receive()
                if messages is None:
                    return
                for message in messages:
                    try:
                        self._take(message)
                    except Exception as error:  # one wish's fault is not the others'
                        self._fail(message.content["id"], f"{type(error).__name__}: {error}")
            if self._tasks:
                self._go_on()

    def _take(self, message: Message) -> None:
        content = message.content
        if content["do"] == "open":
            self._open(content, message.payload)
        elif content["do"] == "cancel":
            self._drop(content["id"])
        elif content["do"] == "scan":
            self._tasks[content["id"]] = self._scan(content)
            self._spent[content["id"]] = 0.0
        elif content["do"] == "want":
            self._wanted = frozenset(content["tasks"])
        elif content["do"] == "spans":
            self._reply(content["id"], spans=self._spans(content))
        elif content["do"] == "timeline":
            self._reply(content["id"], bytes=self._timeline(content))

    def _go_on(self) -> None:
        """Take one task one block further.

        Wanted ones go first; among those, the one that has had the least time: a filter by source,
        which takes a moment, does not wait for an expression that takes a minute.
        """
        number = min(self._tasks, key=lambda task: (task not in self._wanted, self._spent[task]))
        started = clock.monotonic()
        try:
            next(self._tasks[number])
            self._spent[number] += clock.monotonic() - started
        except StopIteration:
            self._drop(number)
        except TooManySlowLines as error:
            self._fail(number, str(error))
        except re.error as error:
            self._fail(number, f"this is no expression: {error}")
        except Exception as error:  # one task's fault is not the others'
            self._fail(number, f"{type(error).__name__}: {error}")

    def _fail(self, number: int, why: str) -> None:
        self._drop(number)
        self._reply(number, error=why)

    def _drop(self, number: int) -> None:
        self._tasks.pop(number, None)
        self._spent.pop(number, None)

    def _reply(self, number: int, payload: bytes | bytearray = b"", **content: Any) -> None:
        self._wire.send({"id": number, **content}, payload)

    def _open(self, content: dict[str, Any], payload: bytes) -> None:
        """Take a log, or what it has grown to."""
        if content["reset"]:
            self._index = LineIndex()
            self._tasks.clear()
            self._spent.clear()
        index_bytes = content["blocks"] * 8
        if content["blocks"] > len(self._index.open):
            self._index.started = array("Q", payload[:index_bytes])
            self._index.open = [int(bits) for bits in content["open"]]
        self._lines = None
        snapshot = _map(content)
        self._lines = Lines(snapshot, self._index)
        first, stop = content["range"]
        self._selection = range(first, stop)
        if content["listed"]:
            self._selection = array("I", payload[index_bytes:])
        if content["reset"]:
            self._encoding = (content["encoding"], content["errors"])
            self._levels = LevelCodes(Sight(*self._encoding))
        self._reply(content["id"], opened=True)

    def _opened(self) -> Lines:
        if self._lines is None:
            raise FileNotFoundError("the recording is gone")
        return self._lines

    # -- scans ----------------------------------------------------------------------------------

    def _scan(self, content: dict[str, Any]) -> Iterator[None]:
        """Send the mask of the lines from ``start`` on, then those of single lines ``again``.

        Yields after each block.
        """
        lines, selection = self._opened(), self._selection
        sender = _Sender(self, content["id"], content["start"])
        masks = self._masks(content, lines, sender)
        for piece in _blocks(lines, selection, content["start"], masks):
            sender.add(piece)
            yield
        again = [
            (position, bytes(masks(selection[position], selection[position] + 1)))
            for position in content["again"]
            if position < len(selection)
        ]
        sender.finish([(position, mask[0]) for position, mask in again])

    def _masks(self, content: dict[str, Any], lines: Lines, sender: _Sender) -> _MaskOf:
        """Return what gives the mask of a stretch of lines."""
        kind = content["kind"]
        if kind == "levels":
            return lambda first, stop: _levels_of(lines, self._levels, first, stop)
        if kind == "search":
            search = self._search(content)
            return lambda first, stop: self._found(lines, search, first, stop, sender)
        if kind == "sources":
            wanted = set(content["wanted"])
            return lambda first, stop: _of_sources(lines, wanted, first, stop)
        return _MaskOfRanges(ranges_between(lines, content["first"], content["last"]))

    def _search(self, content: dict[str, Any]) -> Search:
        return compile_search(_pattern(content), not content["case"], *self._encoding)

    def _found(
        self, lines: Lines, search: Search, first: int, stop: int, sender: _Sender
    ) -> bytearray:
        mask = bytearray(stop - first)
        try:
            with self._clock.limit(_BLOCK_S) if not search.is_literal else contextlib.nullcontext():
                for found in find(lines, range(first, stop), search):
                    for position in found:
                        mask[position] = 1
            return mask
        except TooSlow:
            pass
        mask = bytearray(stop - first)
        for nth in range(first, stop):
            try:
                with self._clock.limit(LINE_S):
                    mask[nth - first] = any(map(len, find(lines, range(nth, nth + 1), search)))
            except TooSlow:
                sender.slow(nth)
        return mask

    def _spans(self, content: dict[str, Any]) -> list[list[list[int]]]:
        """Return where an expression matches in some texts: what a line shows is not its bytes."""
        pattern = _pattern(content)
        assert isinstance(pattern, re.Pattern)
        if not content["case"]:
            pattern = re.compile(pattern.pattern, pattern.flags | re.IGNORECASE)
        spans = []
        for text in content["texts"]:
            found: list[list[int]] = []
            with contextlib.suppress(TooSlow), self._clock.limit(LINE_S):
                for match in pattern.finditer(text):
                    if match.end() > match.start():
                        found.append([match.start(), match.end()])
                    if len(found) == content["most"]:
                        break
            spans.append(found)
        return spans

    def _timeline(self, content: dict[str, Any]) -> list[int]:
        return total_bytes_over_time(
            self._opened(), content["start"], content["stop"], content["entries"]
        )


_MaskOf = Callable[[int, int], bytes | bytearray]


class _MaskOfRanges:
    """Gives the mask of stretches of lines, asked for in ascending order, from ranges."""

    def __init__(self, ranges: Iterable[range]) -> None:
        self._ranges = iter(ranges)
        self._seen: list[range] = []

    def __call__(self, first: int, stop: int) -> bytearray:
        mask = bytearray(stop - first)
        while not self._seen or self._seen[-1].stop < stop:
            following = next(self._ranges, None)
            if following is None:
                break
            self._seen.append(following)
        for part in self._seen:
            start, end = max(part.start, first), min(part.stop, stop)
            if start < end:
                mask[start - first : end - first] = b"\1" * (end - start)
        self._seen = [part for part in self._seen if part.stop > stop]
        return mask


class _Sender:
    """Sends the pieces of a mask, a few times a second."""

    def __init__(self, scanner: Scanner, number: int, start: int) -> None:
        self._scanner = scanner
        self._number = number
        self._start = start
        self._piece = bytearray()
        self._due = clock.monotonic() + _FIRST_SEND_S
        self._slow: list[int] = []

    def add(self, piece: bytes | bytearray) -> None:
        """Take the mask of the next lines."""
        self._piece += piece
        if clock.monotonic() >= self._due:
            self._send(False, [])

    def finish(self, again: list[tuple[int, int]]) -> None:
        """Send what is left, and what single lines are now."""
        self._send(True, again)

    def slow(self, nth: int) -> None:
        """Learn of a line that took too long."""
        self._slow.append(nth)
        if len(self._slow) > MOST_SLOW_LINES:
            raise TooManySlowLines(
                f"the expression takes more than {LINE_S:g} s for each of {len(self._slow)} lines, "
                f"the last of them line {nth + 1:,}: stopped"
            )

    def _send(self, done: bool, again: list[tuple[int, int]]) -> None:
        self._scanner._reply(
            self._number, self._piece, start=self._start, done=done, again=again, slow=self._slow
        )
        self._start += len(self._piece)
        self._piece = bytearray()
        self._slow = []
        self._due = clock.monotonic() + _SEND_S


class _Clock:
    """Stops what takes too long, and this process if the kernel is gone meanwhile."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._deadline: float | None = None
        signal.signal(signal.SIGALRM, self._tick)

    @contextlib.contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Raise `TooSlow` if what is done here takes longer."""
        self._deadline = clock.monotonic() + seconds
        signal.setitimer(signal.ITIMER_REAL, min(seconds, _TICK_S), _TICK_S)
        try:
            yield
        finally:
            self._deadline = None
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _tick(self, *_: object) -> None:
        if self._deadline is not None and clock.monotonic() > self._deadline:
            self._deadline = None
            if _is_gone(self._wire):
                os._exit(0)
            raise TooSlow


def _blocks(
    lines: Lines, selection: Sequence[int], start: int, masks: _MaskOf
) -> Iterator[bytes | bytearray]:
    """Yield the mask of a selection, a block of the log at a time; others are not read."""
    position = start
    while position < len(selection):
        block = lines.block_of(selection[position])
        begins = lines.index.started
        stop = begins[block + 1] if block + 1 < len(begins) else len(lines)
        following = bisect_left(selection, stop, position)
        first, last = selection[position], selection[following - 1]
        mask = masks(first, last + 1)
        if last - first == following - position - 1:
            yield mask
        else:
            yield bytes([mask[nth - first] for nth in selection[position:following]])
        position = following


def _levels_of(lines: Lines, levels: LevelCodes, first: int, stop: int) -> bytearray:
    codes = bytearray()
    for batch in lines.batches(first, stop):
        body = batch.body[:-1]
        if batch.begun:
            body = batch.body + content(batch.ends_of_cut_line(READ_BYTES)[0])
        found = levels.of_body(body)
        skipped, left = max(0, first - batch.first), max(0, stop - batch.first)
        codes += found[skipped:left]
    return codes


def _of_sources(lines: Lines, wanted: set[int], first: int, stop: int) -> bytearray:
    mask = bytearray(stop - first)
    for batch in lines.batches(first, stop):
        start, end = max(batch.first, first), min(batch.first + batch.count, stop)
        if start >= end:
            continue
        if batch.source is None:
            origins = lines.origins(batch)[0][start - batch.first : end - batch.first]
            mask[start - first : end - first] = bytes(map(wanted.__contains__, origins))
        elif batch.source in wanted:
            mask[start - first : end - first] = b"\1" * (end - start)
    return mask


def _pattern(content: dict[str, Any]) -> str | re.Pattern[str]:
    return re.compile(content["text"]) if content["regex"] else str(content["text"])


def _map(content: dict[str, Any]) -> Snapshot:
    """Map the files of a recording as far as the kernel has seen them."""
    stop = content["header"] + content["entries"] * ENTRY.size
    entries = map_file(content["index"], stop)[content["header"] :].cast("Q")
    return Snapshot(
        map_content_of(content["data"], content["bytes"]),
        entries[0::ENTRY_WORDS],
        entries[1::ENTRY_WORDS],
        entries[2::ENTRY_WORDS],
        tuple(content["sources"]),
        tuple(content["gaps"]),
    )


def _is_readable(wire: Wire) -> bool:
    return bool(select.select([wire.socket], [], [], 0)[0])


def _is_gone(wire: Wire) -> bool:
    waiter = select.poll()
    waiter.register(wire.socket, select.POLLHUP)
    return any(events & select.POLLHUP for _, events in waiter.poll(0))
