"""What a live capture shows: the output itself, its last lines, or one line of progress.

A view decides what is shown and how often; a `Screen` (`iopub`, `terminal`) puts it there.
"""

from __future__ import annotations

import time
from collections import Counter, deque
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
)

#: What Jupyter Server and browsers take without strain.
MESSAGES_PER_S = 10
#: The last lines of a flood are looked for in this much.
_LAST_BYTES = 64 << 10
_LONGEST_LINE = 500


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

    def note(self) -> None:
        """Count one that is sent."""
        self._sent.append(time.monotonic())


class StreamView:
    """The output as it comes, up to ``max_bytes``; then one line that counts, and the last lines.

    The order of both streams is kept as long as it takes no more than `MESSAGES_PER_S`; a burst
    that changes streams more often is grouped by stream.
    """

    def __init__(self, screen: Screen, max_bytes: int, tail_lines: int, name: str) -> None:
        self._screen = screen
        self._left = max_bytes
        self._tail_lines = tail_lines
        self._name = name
        self._pace = Pace()
        self._pending: list[tuple[bool, str]] = []
        self._pieces: dict[int, TextPieces] = {}
        self._lines_seen = 0
        self._bytes_seen = 0
        self._flooded = False
        self._drawn = ""
        self._last: deque[Chunk] = deque()
        self._last_bytes = 0
        self.error: BaseException | None = None
        self.wanted: Callable[[], bool]

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        self._recording = recording
        self._lines = Lines(recording)

    def show(self, chunks: list[Chunk]) -> None:
        """See `Target`."""
        for chunk in chunks:
            self._lines_seen += chunk.data.count(b"\n")
            self._bytes_seen += len(chunk.data)
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

    def _decode(self, chunk: Chunk) -> str:
        facts = self._recording.facts
        pieces = self._pieces.setdefault(
            chunk.source, TextPieces(facts["encoding"], facts["errors"])
        )
        return pieces.take(chunk.data)

    def _add(self, stderr: bool, text: str, chunk: Chunk) -> None:
        text = collapse_redraws(text)
        if len(text) > self._left:
            cut = text.rfind("\n", 0, self._left) + 1
            text = text[: cut or self._left]
            self._flooded = True
            self._remember(chunk)
        if not text:
            return
        self._left -= len(text)
        if self._pending and self._pending[-1][0] == stderr:
            before = self._pending.pop()[1]
            joined = collapse_redraws(before + text)
            self._left += len(before) + len(text) - len(joined)
            text = joined
        self._pending.append((stderr, text))

    def _remember(self, chunk: Chunk) -> None:
        self._last.append(chunk._replace(data=chunk.data[-_LAST_BYTES:]))
        self._last_bytes += len(self._last[-1].data)
        while self._last_bytes - len(self._last[0].data) >= _LAST_BYTES:
            self._last_bytes -= len(self._last.popleft().data)

    def tick(self) -> None:
        """See `Target`."""
        while self._pending and self._pace.allows():
            self._send(*self._pending.pop(0))
        if len(self._pending) > MESSAGES_PER_S:
            self._group()
        if self._flooded and not self._pending and self._pace.allows():
            self._draw(
                f"… {count(self._lines_seen, 'line')}, {size(self._bytes_seen)} so far; "
                f"the rest is in {self._name}"
            )

    def _group(self) -> None:
        texts = {False: "", True: ""}
        for stderr, text in self._pending:
            texts[stderr] += text
        self._pending = [(stderr, text) for stderr, text in texts.items() if text]

    def _send(self, stderr: bool, text: str) -> None:
        self._pace.note()
        self._screen.write(stderr, text)

    def _draw(self, line: str, final: bool = False) -> None:
        if line != self._drawn or final:
            self._drawn = line
            self._pace.note()
            self._screen.draw([line], final)

    def catch_up(self) -> None:
        """See `Target`."""
        if len(self._pending) > MESSAGES_PER_S:
            self._group()
        while self._pending:
            self._send(*self._pending.pop(0))

    def end_of_cell(self) -> None:
        """See `Target`."""
        for number, pieces in self._pieces.items():
            rest = pieces.take(b"", final=True) if not self._flooded else ""
            self._add_rest(number, rest)
        for line in self._lines.finish() if not self._flooded else ():
            self._pending.append((is_stderr(line.source), f"[{label_of(line.source)}] {line}\n"))
        self.catch_up()
        if self._flooded:
            self._show_end()

    def _add_rest(self, number: int, rest: str) -> None:
        if rest:
            self._pending.append((is_stderr(self._recording.sources[number]), rest))

    def _show_end(self) -> None:
        last = self._last_lines()
        self._draw(
            f"… {count(self._lines_seen, 'line')}, {size(self._bytes_seen)} in all; the rest is in "
            f"{self._name}. " + ("The last lines:" if last else ""),
            final=True,
        )
        for line in last:
            self._pending.append((is_stderr(line.source), _shortened(line) + "\n"))
        self._group()
        self.catch_up()

    def _last_lines(self) -> list[Line]:
        lines = Lines(self._recording)
        found = [line for chunk in self._last for line in lines.take(chunk)]
        found += lines.finish()
        return found[-self._tail_lines :]

    def close(self) -> None:
        """See `Target`."""
        if not self._flooded:
            self.end_of_cell()


class TailView:
    """The last lines, updated in place; at the end, one line that sums up."""

    def __init__(self, screen: Screen, tail_lines: int, name: str) -> None:
        self._screen = screen
        self._name = name
        self._pace = Pace()
        self._last: deque[str] = deque(maxlen=tail_lines)
        self._totals: Counter[str] = Counter()
        self._changed = False
        self.error: BaseException | None = None
        self.wanted: Callable[[], bool]

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        self._started = time.monotonic()
        self._lines = Lines(recording)

    def show(self, chunks: list[Chunk]) -> None:
        """See `Target`."""
        for chunk in chunks:
            self._totals["bytes"] += len(chunk.data)
            self._totals["lines"] += chunk.data.count(b"\n")
            lines = self._lines.take(chunk)
            for line in lines[-(self._last.maxlen or 1) :]:
                label = label_of(line.source)
                self._last.append(_shortened((f"[{label}] " if label else "") + plain(line)))
        self._changed = True

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
        return list(self._last)

    def end_of_cell(self) -> None:
        """See `Target`."""
        for line in self._lines.finish():
            self._totals["lines"] += 1
            self._last.append(_shortened(plain(line)))
        self._screen.draw(self._summary(), final=True)
        self._changed = False

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._started:.1f} s"

    def _summary(self) -> list[str]:
        lines, total = count(self._totals["lines"], "line"), size(self._totals["bytes"])
        return [f"{lines}, {total} in {self._elapsed()}, all in {self._name}"]

    def close(self) -> None:
        """See `Target`."""
        if self._changed:
            self._screen.draw(self._summary(), final=True)


class ProgressView(TailView):
    """One line, updated in place: elapsed, lines, bytes, rate, the last line."""

    def __init__(self, screen: Screen, name: str) -> None:
        super().__init__(screen, 1, name)

    def tick(self) -> None:
        """See `Target`. The time goes on even if nothing comes."""
        self._changed = True
        super().tick()

    def _now(self) -> list[str]:
        seconds = max(time.monotonic() - self._started, 0.001)
        totals = self._totals
        last = self._last[-1] if self._last else ""
        return [
            f"{self._elapsed()} · {count(totals['lines'], 'line')} · {size(totals['bytes'])} · "
            f"{size(totals['bytes'] / seconds)}/s · {last}"
        ]

    def _summary(self) -> list[str]:
        return self._now()


def _shortened(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 1] + "…"
