"""What a live capture shows: the output itself, its last lines, or one line of progress.

A view decides what is shown and how often; a `Screen` (`iopub`, `terminal`) puts it there.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from ..log.view.ansi import plain
from ..log.view.words import counted, size
from ..recording.recording import Recording
from ..recording.sources import is_stderr, label_of
from ..recording.tail_reader import Chunk, by_source
from .text import LineAssembler, TextPieces, collapse_redraws, whole_sequences

#: What Jupyter Server and browsers take without strain.
MESSAGES_PER_S = 10
_SECOND_S = 1.0
#: The last lines are looked for in this much of what is new.
_LAST_BYTES = 64 << 10
#: Of a flood, so much is looked at in one interval: to read and count all of it would slow it down.
_ENOUGH_BYTES = 512 << 10
_LONGEST_LINE = 500
#: So much of a line is enough to show that.
_ENOUGH_OF_LINE = 2048


class Screen(Protocol):
    """Where people look."""

    def write(self, stderr: bool, text: str) -> None:
        """Append to what stands there."""

    def draw(self, lines: list[str], final: bool) -> None:
        """Put these lines in the place of those drawn before. After ``final`` they stay."""

    def cleared(self) -> None:
        """What stood there is gone."""

    def close(self) -> None:
        """Nothing more will be shown."""


class Pace:
    """Lets through at most `MESSAGES_PER_S` in any one second."""

    def __init__(self) -> None:
        self._sent: deque[float] = deque(maxlen=MESSAGES_PER_S)

    def allows(self) -> bool:
        """Tell whether one more may be sent now."""
        full = len(self._sent) == MESSAGES_PER_S
        return not full or time.monotonic() - self._sent[0] >= _SECOND_S

    def left(self) -> int:
        """Return how many may be sent now."""
        now = time.monotonic()
        return MESSAGES_PER_S - sum(now - sent < _SECOND_S for sent in self._sent)

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
    def nbytes(self) -> int:
        return self._bytes + self._skipped

    def add(self, source: int, data: bytes) -> None:
        self._bytes += len(data)
        self._lines += data.count(b"\n")
        if data.endswith(b"\n"):
            self._unfinished.discard(source)
        else:
            self._unfinished.add(source)

    def skip(self, count: int, lines: int) -> None:
        self._skipped += count
        self._lines += lines

    @property
    def lines(self) -> str:
        """``1,234 lines``, or ``about 1,200,000 lines``."""
        lines = self._lines + len(self._unfinished)
        if not self._skipped:
            return counted(lines, "line")
        digits = len(str(lines)) - 2
        return "about " + counted(round(lines, -max(digits, 0)), "line")


class Texts:
    """Decodes each source of a recording on its own."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._pieces: dict[int, TextPieces] = {}

    def take(self, source: int, data: bytes, final: bool = False) -> str:
        """Return the text that is whole by now; see `TextPieces`."""
        if source not in self._pieces:
            metadata = self._recording.metadata
            self._pieces[source] = TextPieces(metadata.encoding, metadata.errors)
        return self._pieces[source].take(data, final)

    def finish(self) -> list[tuple[int, str]]:
        """Return what was held back, by source."""
        rests = [(source, self.take(source, b"", final=True)) for source in self._pieces]
        return [(source, rest) for source, rest in rests if rest]

    def forget(self, source: int) -> None:
        """Begin anew: bytes of this source are left out."""
        self._pieces.pop(source, None)


class LastLines:
    """The last lines of all sources, as a view shows them.

    Of much at once, only the end is decoded. Where something was left out, a line is shown from
    its start, or not at all; but of one that never ends, what is there.
    """

    def __init__(self, recording: Recording, count: int, texts: Texts) -> None:
        self._recording = recording
        self._count = count
        self._texts = texts
        self._lines: deque[tuple[int, str]] = deque(maxlen=count)
        self._open: dict[int, str] = {}  # the unfinished line of each source
        self._cut: set[int] = set()  # sources whose unfinished line has lost its start
        self._after_gap: set[int] = set()  # sources of which nothing came since

    def take(self, source: int, data: bytes) -> None:
        """Take what a source wrote."""
        if len(data) > _LAST_BYTES:
            self._lines.clear()  # what is left out stood between those and what is shown now
            data = self._begin_inside(source, data[-_LAST_BYTES:])
        elif source in self._after_gap:
            data = self._begin_inside(source, data)
        self.take_text(source, self._texts.take(source, data))

    def take_text(self, source: int, text: str) -> None:
        """The same for what is decoded."""
        *complete, rest = (self._open.pop(source, "") + text).split("\n")
        if complete and source in self._cut:
            self._cut.discard(source)
            complete.pop(0)
        self._lines.extend((source, _enough_of(line)) for line in complete[-self._count :])
        if rest:
            self._open[source] = _enough_of(rest)

    def _begin_inside(self, source: int, data: bytes) -> bytes:
        """Return data without a piece of a line, a character or an escape sequence at its start."""
        self._texts.forget(source)
        self._open.pop(source, None)
        start = data.find(b"\n") + 1
        if start:
            self._cut.discard(source)
            self._after_gap.discard(source)
            return data[start:]
        self._cut.add(source)
        data = data[max(data.find(b"\x1b"), 0) :].lstrip(_UTF8_CONTINUATIONS)
        if data:
            self._after_gap.discard(source)
        return data

    def skip(self) -> None:
        """Something is left out before what comes next."""
        self._lines.clear()
        self._open.clear()
        self._after_gap.update(range(len(self._recording.sources)))

    def rows(self) -> list[str]:
        """Return the lines as rows of plain text."""
        lines = [*self._lines, *self._open.items()]
        return [self._row(source, line) for source, line in lines[-self._count :]]

    def _row(self, source: int, line: str) -> str:
        label = label_of(self._recording.sources[source])
        return _shortened((f"[{label}] " if label else "") + plain(line))


_UTF8_CONTINUATIONS = bytes(range(0x80, 0xC0))


def _enough_of(line: str) -> str:
    """Return what is enough of a line, finished or not, to know what is seen of it."""
    body = line.rstrip("\r")
    line = line[body.rfind("\r") + 1 :]
    if len(line) <= _ENOUGH_OF_LINE:
        return line
    # Longer than that: whatever else comes of it changes nothing.
    return whole_sequences(line[:_ENOUGH_OF_LINE]).ljust(_ENOUGH_OF_LINE + 1, "…")


class StreamView:
    """The output as it comes, up to ``max_bytes``; then one line that counts, and the last lines.

    The order of both streams is kept as long as it takes no more than `MESSAGES_PER_S`; a burst
    that changes streams more often is grouped by stream.
    """

    is_seen = True

    def __init__(self, screen: Screen, max_bytes: int, tail_lines: int, name: str) -> None:
        self._screen = screen
        self._max_bytes = self._left = max_bytes
        self._began = time.monotonic()  # with all that may be shown left
        self._tail_lines = tail_lines
        self._name = name
        self._pace = Pace()
        # By stream, each part being whole lines or a piece of one line.
        self._pending: list[tuple[bool, list[str]]] = []
        self.enough: int | None = None
        self._totals = _Totals()
        self._last: LastLines | None = None  # once there is too much to show
        self._is_news = False  # since the counts were drawn
        self._cell_ended = False
        self.error: BaseException | None = None
        self.wanted: Callable[[], bool]

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        self._recording = recording
        self._texts = Texts(recording)
        self._lines = LineAssembler(recording)  # of labelled children

    def show(self, chunks: list[Chunk]) -> None:
        """See `Target`."""
        for source, data in by_source(chunks):
            self._totals.add(source, data)
            if self._last is not None:
                self._last.take(source, data)
                self._is_news = True
                continue
            label = label_of(self._recording.sources[source])
            if label:
                lines = self._lines.take(Chunk(source, 0, data))
                self._add(source, "".join(f"[{label}] {line}\n" for line in lines))
            else:
                self._add(source, self._texts.take(source, data))

    def skip(self, count: int, lines: int) -> None:
        """See `Target`."""
        self._totals.skip(count, lines)
        self._begin_to_count().skip()

    def _add(self, source: int, text: str) -> None:
        stderr = is_stderr(self._recording.sources[source])
        parts: list[str] = []
        if self._pending and self._pending[-1][0] == stderr:
            parts = self._pending.pop()[1]
        if "\r" in text or _bytes_in(text) > self._left:
            # The unfinished line may be drawn over, or not fit: the finished ones stay as they are.
            before = _take_unfinished(parts)
            self._left += _bytes_in(before)
            text = before + text
        text = collapse_redraws(text)
        rest = ""
        if _bytes_in(text) > self._left:
            text, rest = _split_at(text, self._left, after_lines=bool(parts))
        self._left -= _bytes_in(text)
        end_of_lines = text.rfind("\n") + 1
        parts += filter(None, (text[:end_of_lines], text[end_of_lines:]))
        if parts:
            self._pending.append((stderr, parts))
        if rest:
            # What was shown just before the limit is not shown again at the end.
            self._begin_to_count(source, self._without_label(source, rest))

    def _begin_to_count(self, source: int = 0, text: str = "") -> LastLines:
        if self._last is None:
            self._last = LastLines(self._recording, self._tail_lines, self._texts)
            self._last.take_text(source, text)
            for line in self._lines.finish():
                self._last.take_text(self._recording.sources.index(line.source), line)
            self.enough = _ENOUGH_BYTES
        self._is_news = True
        return self._last

    def _without_label(self, source: int, text: str) -> str:
        mark = f"[{label_of(self._recording.sources[source])}] "
        return re.sub(f"^{re.escape(mark)}", "", text, flags=re.MULTILINE)

    def tick(self) -> None:
        """See `Target`."""
        while self._pending and self._pace.allows():
            self._send(*self._pending.pop(0))
        if len(self._pending) > MESSAGES_PER_S:
            self._group()
        if self._is_news and not self._pending and self._pace.allows():
            self._draw_counts(final=False)

    def _group(self) -> None:
        by_stream: dict[bool, list[str]] = {False: [], True: []}
        for stderr, parts in self._pending:
            by_stream[stderr] += parts
        self._pending = [(stderr, parts) for stderr, parts in by_stream.items() if parts]

    def _send(self, stderr: bool, parts: list[str]) -> None:
        self._pace.note()
        self._screen.write(stderr, "".join(parts))

    def _draw_counts(self, final: bool) -> None:
        rows = self._last.rows() if self._last is not None and self._cell_ended else []
        end = ". The last lines:" if rows else ""
        seen = f"{self._totals.lines}, {size(self._totals.nbytes)}"
        line = f"… {seen} {'in all' if final else 'so far'}; the rest is in {self._name}{end}"
        self._is_news = False
        self._pace.note()
        self._screen.draw([line, *rows], final)

    def catch_up(self) -> None:
        """See `Target`."""
        if len(self._pending) > self._pace.left():
            self._group()
        while self._pending:
            self._send(*self._pending.pop(0))

    def cleared(self) -> None:
        """See `Target`. A cell that clears what it shows may go on for as long as it likes."""
        self._screen.cleared()
        now = time.monotonic()
        if now - self._began >= _SECOND_S:
            self._began = now
            self._left = self._max_bytes
            self._last = self.enough = None

    def end_of_cell(self) -> None:
        """See `Target`."""
        self._cell_ended = True
        if self._last is None:
            self._add_what_was_held()
        self.catch_up()
        if self._last is not None:
            self._draw_counts(final=True)

    def _add_what_was_held(self) -> None:
        sources = self._recording.sources
        for source, rest in self._texts.finish():
            self._pending.append((is_stderr(sources[source]), [rest]))
        for line in self._lines.finish():
            text = f"[{label_of(line.source)}] {line}\n"
            self._pending.append((is_stderr(line.source), [text]))

    def close(self) -> None:
        """See `Target`."""
        try:
            if self._last is None or self._is_news:  # late output
                self.end_of_cell()
        finally:
            self._screen.close()


def _take_unfinished(parts: list[str]) -> str:
    """Remove the line at the end that has no end yet, and return it."""
    taken = []
    while parts and not parts[-1].endswith("\n"):
        taken.append(parts.pop())
    return "".join(reversed(taken))


def _bytes_in(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _split_at(text: str, max_bytes: int, after_lines: bool) -> tuple[str, str]:
    """Split after as many whole lines as fit.

    If not even one does, and none stands before, after as much as fits: it may never end.
    """
    fits = text.encode("utf-8", "replace")[:max_bytes].decode("utf-8", "ignore")
    shown = fits[: fits.rfind("\n") + 1]
    if not shown and not after_lines:
        shown = whole_sequences(fits)
    return shown, text[len(shown) :]


class TailView:
    """The last lines, updated in place; at the end, one line that sums up."""

    is_seen = True

    def __init__(self, screen: Screen, tail_lines: int, name: str) -> None:
        self._screen = screen
        self._tail_lines = tail_lines
        self._name = name
        self._pace = Pace()
        self._totals = _Totals()
        self._changed = False
        self._cell_ended = False
        self.enough: int | None = None
        self.error: BaseException | None = None
        self.wanted: Callable[[], bool]

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        self._started = time.monotonic()
        self._last = LastLines(recording, self._tail_lines, Texts(recording))
        self.enough = _ENOUGH_BYTES

    def show(self, chunks: list[Chunk]) -> None:
        """See `Target`."""
        for source, data in by_source(chunks):
            self._totals.add(source, data)
            self._last.take(source, data)
        self._changed = True

    def skip(self, count: int, lines: int) -> None:
        """See `Target`."""
        self._totals.skip(count, lines)
        self._last.skip()

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

    def _now(self) -> list[str]:
        return self._last.rows()

    def cleared(self) -> None:
        """See `Target`."""
        self._screen.cleared()

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
        total = size(self._totals.nbytes)
        return [f"{self._totals.lines}, {total} in {self._elapsed()}, all in {self._name}"]

    def close(self) -> None:
        """See `Target`."""
        try:
            if self._changed:
                self._fold()
        finally:
            self._screen.close()


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
            size(totals.nbytes),
            f"{size(totals.nbytes / seconds)}/s",
            *self._last.rows(),
        ]
        return [" · ".join(parts)]

    def _summary(self) -> list[str]:
        return self._now()


def _shortened(line: str) -> str:
    if len(line) <= _LONGEST_LINE:
        return line
    return whole_sequences(line[: _LONGEST_LINE - 1]) + "…"
