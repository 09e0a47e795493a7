"""``--live``: the output as it comes; of a flood, a line that counts and the last lines."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..recording.recording import Recording
from ..recording.sources import is_stderr, label_of
from ..recording.tail_reader import Chunk, by_source
from ..system import clock
from .last_lines import TAIL_BYTES, LastLines
from .moving_block import MovingBlock, draws_over, first_frame_of
from .moving_lines import MovingLines, in_place
from .pace import MESSAGES_PER_S, Pace
from .target import StreamScreen
from .text import LineAssembler, ShownTexts, collapse_redraws, whole_sequences
from .totals import Totals

#: A cell that clears its output may show as much again, at most so often.
_ALLOWANCE_S = 1.0


class StreamView:
    """The output as it comes, up to a limit; then one line that counts, and the last lines.

    The limit is reached with ``max_bytes`` or ``max_lines``, whichever comes first.

    The order of both streams is kept as long as it takes no more than `MESSAGES_PER_S`; a burst
    that changes streams more often is grouped by stream.
    """

    is_seen = True

    def __init__(
        self, screen: StreamScreen, max_bytes: int, max_lines: int, tail_lines: int, name: str
    ) -> None:
        self._screen = screen
        self._max_bytes = self._left = max_bytes
        self._max_lines = self._lines_left = max_lines
        self._began = clock.monotonic()  # with all that may be shown left
        self._tail_lines = tail_lines
        self._name = name
        self._pace = Pace()
        # By stream, each part being whole lines or a piece of one line.
        self._pending: list[tuple[bool, list[str]]] = []
        self.tail_bytes: int | None = None
        self._totals = Totals()
        self._last: LastLines | None = None  # once there is too much to show
        self._block: MovingBlock | None = None  # while a source draws over its last rows
        self._block_source = 0
        self._is_news = False  # since the counts were drawn
        self._is_final = True  # what was drawn last, if anything was
        self._capture_ended = False
        self.error: BaseException | None = None
        self.should_continue: Callable[[], bool]

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        self._recording = recording
        self._texts = ShownTexts(recording)
        self._moving = MovingLines()
        self._open_stream: bool | None = None  # whose last line goes on: stderr's, stdout's
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
                self._add(source, "".join(f"[{label}] {in_place(line)}\n" for line in lines))
            else:
                self._add_rows(source, self._texts.take(source, data))

    def skip(self, count: int) -> None:
        """See `Target`."""
        self._totals.skip(count)
        self._begin_to_count().skip()

    def _add_rows(self, source: int, text: str) -> None:
        """Add text, to a block of its own where it draws over rows."""
        if self._block is None:
            start = first_frame_of(text)
            if start is not None:
                self._add(source, self._moving.take(source, text[:start]))
                text = text[start:]
            elif draws_over(text):
                text = self._take_back(source) + text
            else:
                return self._add(source, self._moving.take(source, text))
            self.catch_up()
            self._block = MovingBlock(self._screen.beside())
            self.tail_bytes = TAIL_BYTES  # to draw more over than that takes too long
            self._block_source = source
        elif source != self._block_source:
            return self._add(source, self._moving.take(source, text))
        above = self._block.take(text)
        self._left -= _bytes_in(above)
        self._lines_left -= above.count("\n")
        if self._left <= len(self._block) or self._lines_left <= 0:
            self._begin_to_count()
        elif self._block.has_ended_with(text):
            self._end_block()
        return None

    def _take_back(self, source: int) -> str:
        """Return what a source wrote last: it may be drawn over.

        That is what was not shown yet, or else a line without an end, which is erased there.
        """
        stderr = is_stderr(self._recording.sources[source])
        line, erasure = self._moving.take_back(source)
        text = ""
        if self._pending and self._pending[-1][0] == stderr:
            text = "".join(self._pending.pop()[1])
            self._left += _bytes_in(text)
            self._lines_left += text.count("\n")
        if not line or self._open_stream != stderr or self._pending or "\n" in text:
            return text
        self._pending.append((stderr, [erasure]))
        return line

    def _end_block(self) -> None:
        block, self._block = self._block, None
        if block is not None:
            self.tail_bytes = None
            self._pace.note()
            block.draw(final=True)

    def _add(self, source: int, text: str) -> None:
        stderr = is_stderr(self._recording.sources[source])
        parts: list[str] = []
        if self._pending and self._pending[-1][0] == stderr:
            parts = self._pending.pop()[1]
        if "\r" in text or not self._fits(text):
            # The unfinished line may be drawn over, or not fit: the finished ones stay as they are.
            before = _take_unfinished(parts)
            self._left += _bytes_in(before)
            text = before + text
        text = collapse_redraws(text)
        rest = ""
        if not self._fits(text):
            text, rest = _split_at(text, self._left, self._lines_left, after_lines=bool(parts))
        self._left -= _bytes_in(text)
        self._lines_left -= text.count("\n")
        end_of_lines = text.rfind("\n") + 1
        parts += filter(None, (text[:end_of_lines], text[end_of_lines:]))
        if parts:
            self._pending.append((stderr, parts))
        if rest:
            # What was shown just before the limit is not shown again at the end.
            self._begin_to_count(source, self._without_label(source, rest))

    def _fits(self, text: str) -> bool:
        lines = text.count("\n") + (not text.endswith("\n"))
        return _bytes_in(text) <= self._left and (lines <= self._lines_left or not text)

    def _begin_to_count(self, source: int = 0, text: str = "") -> LastLines:
        if self._last is None:
            self._end_block()
            self._last = LastLines(self._recording, self._tail_lines, self._texts)
            self._last.take_text(source, text)
            for line in self._lines.finish():
                self._last.take_text(self._recording.sources.index(line.source), line)
            self.tail_bytes = TAIL_BYTES
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
        if self._block is not None and self._block.is_news and self._pace.allows():
            self._pace.note()
            self._block.draw()
        if self._is_news and not self._pending and self._pace.allows():
            self._draw_counts(final=False)

    def _group(self) -> None:
        by_stream: dict[bool, list[str]] = {False: [], True: []}
        for stderr, parts in self._pending:
            by_stream[stderr] += parts
        self._pending = [(stderr, parts) for stderr, parts in by_stream.items() if parts]

    def _send(self, stderr: bool, parts: list[str]) -> None:
        self._pace.note()
        text = "".join(parts)
        self._open_stream = None if text.endswith("\n") else stderr
        self._screen.write(stderr, text)

    def _draw_counts(self, final: bool) -> None:
        rows = self._last.rows() if self._last is not None and self._capture_ended else []
        self._is_news = False
        self._is_final = final
        self._pace.note()
        self._screen.draw(self._totals.rows(self._name, rows, final), final)

    def catch_up(self) -> None:
        """See `Target`."""
        if len(self._pending) > self._pace.left():
            self._group()
        while self._pending:
            self._send(*self._pending.pop(0))
        self._open_stream = None
        if self._block is not None and self._block.is_news:
            self._pace.note()
            self._block.draw()

    def cleared(self) -> None:
        """See `Target`. A cell that clears what it shows may go on for as long as it likes."""
        self._screen.cleared()
        self._block = self._open_stream = None
        now = clock.monotonic()
        if now - self._began >= _ALLOWANCE_S:
            self._began = now
            self._left = self._max_bytes
            self._lines_left = self._max_lines
            self._last = self.tail_bytes = None

    def capture_ended(self) -> None:
        """See `Target`."""
        self._capture_ended = True
        self._end_block()
        if self._last is None:
            self._add_what_was_held()
        self.catch_up()
        if self._last is not None:
            self._draw_counts(final=True)

    def _add_what_was_held(self) -> None:
        sources = self._recording.sources
        for source, rest in self._texts.finish().items():
            if rest:
                self._pending.append((is_stderr(sources[source]), [rest]))
        for line in self._lines.finish():
            text = f"[{label_of(line.source)}] {in_place(line)}\n"
            self._pending.append((is_stderr(line.source), [text]))

    def close(self) -> None:
        """See `Target`."""
        try:
            if self._last is None or self._is_news or not self._is_final:  # late output
                self.capture_ended()
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


def _split_at(text: str, max_bytes: int, max_lines: int, after_lines: bool) -> tuple[str, str]:
    """Split after as many whole lines as fit.

    If not even one does, and none stands before, after as much as fits: it may never end.
    """
    fits = text.encode("utf-8", "replace")[:max_bytes].decode("utf-8", "ignore")
    shown = fits[: _end_of_line(fits, max_lines)]
    if not shown and not after_lines and max_lines > 0:
        shown = whole_sequences(fits)
    return shown, text[len(shown) :]


def _end_of_line(text: str, max_lines: int) -> int:
    """Return where the last whole line ends, of ``max_lines`` at most; 0 if there is none."""
    if text.count("\n") <= max_lines:
        return text.rfind("\n") + 1
    end = 0
    for _ in range(max_lines):
        end = text.index("\n", end) + 1
    return end
