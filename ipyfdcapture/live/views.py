"""What a live capture shows: the output itself, its last lines, or one line of progress.

A view decides what is shown and how often; a `Screen` (`iopub`, `terminal`) puts it there.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from ..captured import Line
from ..recording import Recording
from .following import Chunk
from .text import (
    Lines,
    TextPieces,
    collapse_redraws,
    count,
    is_stderr,
    label_of,
    plain,
    size,
    whole_sequences,
)

#: What Jupyter Server and browsers take without strain.
MESSAGES_PER_S = 10
#: The last lines of a flood are looked for in this much.
_LAST_BYTES = 64 << 10
#: Of a flood, so much is looked at in one interval: to read and count all of it would slow it down.
_ENOUGH_BYTES = 2 << 20
_LONGEST_LINE = 500
#: So much of an unfinished line is kept.
_LONGEST_OPEN = 4096


class Screen(Protocol):
    """Where people look."""

    def write(self, stderr: bool, text: str) -> None:
        """Append to what stands there."""

    def draw(self, lines: list[str], final: bool) -> None:
        """Put these lines in the place of those drawn before. After ``final`` they stay."""


class Pace:
    """Lets through at most `MESSAGES_PER_S` in any one second."""

    def __init__(self) -> None:
        self._sent: deque[float] = deque(maxlen=MESSAGES_PER_S)

    def allows(self) -> bool:
        """Tell whether one more may be sent now."""
        full = len(self._sent) == MESSAGES_PER_S
        return not full or time.monotonic() - self._sent[0] >= 1.0

    def left(self) -> int:
        """Return how many may be sent now."""
        now = time.monotonic()
        return MESSAGES_PER_S - sum(now - sent < 1.0 for sent in self._sent)

    def note(self) -> None:
        """Count one that is sent."""
        self._sent.append(time.monotonic())


class _Totals:
    """How much was written. Lines that were not looked at are estimated."""

    def __init__(self) -> None:
        self._lines = 0
        self._bytes = 0
        self._skipped = 0
        self._unfinished: set[int] = set()  # sources whose last line is

    @property
    def bytes(self) -> int:
        return self._bytes + self._skipped

    def add(self, chunk: Chunk) -> None:
        self._bytes += len(chunk.data)
        self._lines += chunk.data.count(b"\n")
        if chunk.data.endswith(b"\n"):
            self._unfinished.discard(chunk.source)
        else:
            self._unfinished.add(chunk.source)

    def skip(self, count: int, lines: int) -> None:
        self._skipped += count
        self._lines += lines

    @property
    def lines(self) -> str:
        """``1,234 lines``, or ``about 1,200,000 lines``."""
        lines = self._lines + len(self._unfinished)
        if not self._skipped:
            return count(lines, "line")
        digits = len(str(lines)) - 2
        return "about " + count(round(lines, -max(digits, 0)), "line")


class StreamView:
    """The output as it comes, up to ``max_bytes``; then one line that counts, and the last lines.

    The order of both streams is kept as long as it takes no more than `MESSAGES_PER_S`; a burst
    that changes streams more often is grouped by stream.
    """

    is_seen = True

    def __init__(self, screen: Screen, max_bytes: int, tail_lines: int, name: str) -> None:
        self._screen = screen
        self._left = max_bytes
        self._tail_lines = tail_lines
        self._name = name
        self._pace = Pace()
        self._pending: list[tuple[bool, str]] = []
        self._pieces: dict[int, TextPieces] = {}
        self.enough: int | None = None
        self._totals = _Totals()
        self._flooded = False
        self._is_news = False  # since the counts were drawn
        self._last: deque[Chunk] = deque()
        self._last_bytes = 0
        self._cell_ended = False
        self.error: BaseException | None = None
        self.wanted: Callable[[], bool]

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        self._recording = recording
        self._lines = Lines(recording)

    def show(self, chunks: list[Chunk]) -> None:
        """See `Target`."""
        for chunk in chunks:
            self._totals.add(chunk)
            if self._flooded:
                self._remember(chunk)
                continue
            source = self._recording.sources[chunk.source]
            label = label_of(source)
            if label:
                lines = self._lines.take(chunk)
                text = "".join(f"[{label}] {line}\n" for line in lines)
            else:
                text = self._decode(chunk)
            self._add(is_stderr(source), text, chunk)

    def skip(self, count: int, lines: int) -> None:
        """See `Target`."""
        self._totals.skip(count, lines)
        self._last.clear()
        self._last_bytes = 0

    def _decode(self, chunk: Chunk) -> str:
        facts = self._recording.facts
        pieces = self._pieces.setdefault(
            chunk.source, TextPieces(facts["encoding"], facts["errors"])
        )
        return pieces.take(chunk.data)

    def _add(self, stderr: bool, text: str, chunk: Chunk) -> None:
        if self._pending and self._pending[-1][0] == stderr:
            before = self._pending.pop()[1]
            self._left += _bytes_in(before)
            text = before + text
        text = collapse_redraws(text)
        taken = _bytes_in(text)
        if taken > self._left:
            shown = _beginning(text, self._left)
            self._flooded = True
            self.enough = _ENOUGH_BYTES
            self._remember_rest(chunk, text[len(shown) :])
            text, taken = shown, _bytes_in(shown)
        if text:
            self._left -= taken
            self._pending.append((stderr, text))

    def _remember_rest(self, chunk: Chunk, rest: str) -> None:
        if not label_of(self._recording.sources[chunk.source]):
            # What was shown just before the limit is not shown again at the end.
            encoding = self._recording.facts["encoding"]
            chunk = chunk._replace(data=rest.encode(encoding, "replace"))
        self._remember(chunk)

    def _remember(self, chunk: Chunk) -> None:
        self._is_news = True
        self._last.append(chunk._replace(data=_end_of(chunk.data)))
        self._last_bytes += len(self._last[-1].data)
        while self._last_bytes - len(self._last[0].data) >= _LAST_BYTES:
            self._last_bytes -= len(self._last.popleft().data)

    def tick(self) -> None:
        """See `Target`."""
        while self._pending and self._pace.allows():
            self._send(*self._pending.pop(0))
        if len(self._pending) > MESSAGES_PER_S:
            self._group()
        if self._is_news and not self._pending and self._pace.allows():
            self._draw(f"… {self._seen()} so far; the rest is in {self._name}")

    def _seen(self) -> str:
        return f"{self._totals.lines}, {size(self._totals.bytes)}"

    def _group(self) -> None:
        texts = {False: "", True: ""}
        for stderr, text in self._pending:
            texts[stderr] += text
        self._pending = [(stderr, text) for stderr, text in texts.items() if text]

    def _send(self, stderr: bool, text: str) -> None:
        self._pace.note()
        self._screen.write(stderr, text)

    def _draw(self, *lines: str, final: bool = False) -> None:
        self._is_news = False
        self._pace.note()
        self._screen.draw(list(lines), final)

    def catch_up(self) -> None:
        """See `Target`."""
        if len(self._pending) > self._pace.left():
            self._group()
        while self._pending:
            self._send(*self._pending.pop(0))

    def end_of_cell(self) -> None:
        """See `Target`."""
        if not self._flooded:
            self._add_what_was_held()
        self.catch_up()
        if self._flooded:
            self._show_end()
        self._cell_ended = True

    def _add_what_was_held(self) -> None:
        for number, pieces in self._pieces.items():
            rest = pieces.take(b"", final=True)
            if rest:
                self._pending.append((is_stderr(self._recording.sources[number]), rest))
        for line in self._lines.finish():
            self._pending.append((is_stderr(line.source), f"[{label_of(line.source)}] {line}\n"))

    def _show_end(self) -> None:
        last = [self._row(line) for line in self._last_lines()]
        self._last.clear()
        self._last_bytes = 0
        end = ". The last lines:" if last else ""
        self._draw(f"… {self._seen()} in all; the rest is in {self._name}{end}", *last, final=True)

    def _row(self, line: Line) -> str:
        label = label_of(line.source)
        return _shortened((f"[{label}] " if label else "") + plain(line))

    def _last_lines(self) -> list[Line]:
        lines = Lines(self._recording)
        found = [line for chunk in self._last for line in lines.take(chunk)]
        found += lines.finish()
        return found[-self._tail_lines :]

    def close(self) -> None:
        """See `Target`."""
        if not self._flooded:
            self.end_of_cell()
        elif self._is_news or self._last:  # late output
            self._show_end()


def _end_of(data: bytes) -> bytes:
    """Return the last lines; of a line that never ends, begin with no piece of anything."""
    if len(data) <= _LAST_BYTES:
        return data
    data = data[-_LAST_BYTES:]
    start = data.find(b"\n") + 1 or max(data.find(b"\x1b"), 0)
    return data[start:].lstrip(_UTF8_CONTINUATIONS)


_UTF8_CONTINUATIONS = bytes(range(0x80, 0xC0))


def _bytes_in(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _beginning(text: str, max_bytes: int) -> str:
    """Return as many whole lines as fit; of a line that never ends, as much as fits."""
    fits = text.encode("utf-8", "replace")[:max_bytes].decode("utf-8", "ignore")
    return fits[: fits.rfind("\n") + 1] or whole_sequences(fits)


class TailView:
    """The last lines, updated in place; at the end, one line that sums up."""

    is_seen = True
    enough: int | None = _ENOUGH_BYTES

    def __init__(self, screen: Screen, tail_lines: int, name: str) -> None:
        self._screen = screen
        self._name = name
        self._pace = Pace()
        self._last: deque[str] = deque(maxlen=tail_lines)
        self._pieces: dict[int, TextPieces] = {}
        self._open: dict[int, str] = {}  # the unfinished line of each source
        self._totals = _Totals()
        self._inside_line = False  # after something was skipped
        self._changed = False
        self._cell_ended = False
        self.error: BaseException | None = None
        self.wanted: Callable[[], bool]

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        self._started = time.monotonic()
        self._recording = recording

    def show(self, chunks: list[Chunk]) -> None:
        """See `Target`."""
        for chunk in chunks:
            self._totals.add(chunk)
            self._take(chunk.source, chunk.data)
        self._changed = True

    def skip(self, count: int, lines: int) -> None:
        """See `Target`."""
        self._totals.skip(count, lines)
        self._pieces.clear()
        self._open.clear()
        self._inside_line = True

    def _take(self, source: int, data: bytes) -> None:
        if self._inside_line:
            self._inside_line = False
            data = data[data.find(b"\n") + 1 :]
        facts = self._recording.facts
        encoding, errors = facts["encoding"], facts["errors"]
        if len(data) > _LAST_BYTES and encoding == "utf-8":
            # Only the last lines are looked at; whole ones, so that no character is cut.
            start = data.find(b"\n", len(data) - _LAST_BYTES) + 1
            if start:
                data = data[start:]
                self._pieces.pop(source, None)
                self._open.pop(source, None)
        pieces = self._pieces.setdefault(source, TextPieces(encoding, errors))
        text = self._open.pop(source, "") + pieces.take(data)
        *complete, rest = text.split("\n")
        for line in complete[-(self._last.maxlen or 1) :]:
            self._last.append(self._row(source, line))
        if rest:
            self._open[source] = self._unfinished(rest)

    def _unfinished(self, text: str) -> str:
        """Return what is enough of an unfinished line to know what is seen of it."""
        body = text.rstrip("\r")
        return text[body.rfind("\r") + 1 :][:_LONGEST_OPEN]

    def _row(self, source: int, text: str) -> str:
        label = label_of(self._recording.sources[source])
        return _shortened((f"[{label}] " if label else "") + plain(text))

    def tick(self) -> None:
        """See `Target`."""
        if self._changed and self._pace.allows():
            self.catch_up()

    def catch_up(self) -> None:
        """See `Target`."""
        if self._changed:
            self._changed = False
            self._pace.note()
            self._screen.draw(self._now(), final=False)

    def _rows(self) -> list[str]:
        unfinished = [self._row(source, text) for source, text in self._open.items()]
        return [*self._last, *unfinished][-(self._last.maxlen or 1) :]

    def _now(self) -> list[str]:
        return self._rows()

    def end_of_cell(self) -> None:
        """See `Target`."""
        self._fold()
        self._cell_ended = True

    def _fold(self) -> None:
        self._screen.draw(self._summary(), final=True)
        self._changed = False

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._started:.1f} s"

    def _summary(self) -> list[str]:
        total = size(self._totals.bytes)
        return [f"{self._totals.lines}, {total} in {self._elapsed()}, all in {self._name}"]

    def close(self) -> None:
        """See `Target`."""
        if self._changed:
            self._fold()


class ProgressView(TailView):
    """One line, updated in place: elapsed, lines, bytes, rate, the last line."""

    def __init__(self, screen: Screen, name: str) -> None:
        super().__init__(screen, 1, name)

    def tick(self) -> None:
        """See `Target`. The time goes on even if nothing comes, until the cell ends."""
        self._changed = self._changed or not self._cell_ended
        super().tick()

    def _now(self) -> list[str]:
        seconds = max(time.monotonic() - self._started, 0.001)
        totals = self._totals
        parts = [
            self._elapsed(),
            totals.lines,
            size(totals.bytes),
            f"{size(totals.bytes / seconds)}/s",
            *self._rows(),
        ]
        return [" · ".join(parts)]

    def _summary(self) -> list[str]:
        return self._now()


def _shortened(line: str) -> str:
    if len(line) <= _LONGEST_LINE:
        return line
    return whole_sequences(line[: _LONGEST_LINE - 1]) + "…"
