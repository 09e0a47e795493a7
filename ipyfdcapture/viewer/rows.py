"""Lines as the browser gets them: harmless text with styles as numbers, never markup.

A row is ``[number, source, time, level, content, left_out]``: the line's number counted from 1,
the number of its source, µs since the start, the code of its level (`CODES`), its text, and how
many bytes of it are left out (below 0: and cannot be asked for). Text that is all in one plain
style is a string, other text a list of ``[text, flags, foreground, background]``. Colours are
numbers: 0 to 15 the named ones, from `RGB` on 24 bits of red, green and blue, -1 none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from typing import Any, NamedTuple

from ..log.levels import READ_BYTES, LevelCodes
from ..log.lines import Row
from ..log.reading import Block, Reading
from ..log.view.ansi import PLAIN, Colour, Run, Style, are_plain, plain, runs_of, style_after
from ..log.view.excerpt import row_text

#: A line is cut to so many bytes until the whole is asked for.
CUT_BYTES = 2_000
#: And then to so many.
WHOLE_BYTES = 1_000_000
#: Colours before a line are looked for in so many lines.
LOOK_BACK_LINES = 100
#: So much of either end of such a line is read: a style is set where text is.
_LOOK_BACK_BYTES = 4 << 10
#: Added to the 24 bits of a colour that has no name.
RGB = 16

_FLAGS = ("bold", "dim", "italic", "underline", "inverse", "strike")


class Rows(NamedTuple):
    """Some lines, by column: as many of each part of a row."""

    numbers: Sequence[int]
    sources: Sequence[int]
    times: Sequence[int]
    levels: bytes
    contents: Sequence[str | list[Any]]
    left_out: Sequence[int]


class RowWriter:
    """Writes rows of one log; colours go on from line to line, for each source.

    Parameters
    ----------
    reading
        The log.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._levels = LevelCodes(reading.sight)
        self._styles: dict[int, Style] = {}
        self._following = 0  # the line that comes after those whose styles are known

    def rows(self, numbers: Sequence[int], most: int = CUT_BYTES) -> list[list[Any]]:
        """Return lines by their numbers (from 0, ascending), each cut to ``most`` bytes."""
        return [
            list(row) for rows in self.columns(numbers, most) for row in zip(*rows, strict=True)
        ]

    def columns(self, numbers: Sequence[int], most: int) -> Iterator[Rows]:
        """Yield the same by column, many lines at a time: a third of the work."""
        started = self._reading.started
        for block in replace(self._reading, indices=numbers).blocks(max(most, READ_BYTES)):
            contents, left_out = self._contents(block, most)
            yield Rows(
                [nth + 1 for nth in block.indices],
                block.sources,
                [(time - started) // 1000 for time in block.times],
                self._levels.of_lines(block.contents),
                contents,
                left_out,
            )

    def texts(self, numbers: Sequence[int], most: int) -> Iterator[str]:
        """Yield lines as text alone, which takes a third of the time."""
        for block in replace(self._reading, indices=numbers).blocks(most):
            if max(map(len, block.contents)) <= most and are_plain(texts := block.texts):
                yield from texts
                continue
            for row in _rows_of(block):
                text, left_out = row_text(self._reading, row, most)
                yield plain(text) + (f" … {left_out:,} bytes more" if left_out else "")

    def _contents(self, block: Block, most: int) -> tuple[Sequence[str | list[Any]], list[int]]:
        """Return what is shown of lines, and how many bytes of each are left out."""
        first, last = block.indices[0], block.indices[-1]
        if last - first == len(block.contents) - 1 and max(map(len, block.contents)) <= most:
            self._come_to(first)
            texts = block.texts
            if all(style == PLAIN for style in self._styles.values()) and are_plain(texts):
                self._following = last + 1
                return texts, [0] * len(texts)
        shown = [self._content(row, most) for row in _rows_of(block)]
        return [content for content, _ in shown], [left_out for _, left_out in shown]

    def _content(self, row: Row, most: int) -> tuple[str | list[Any], int]:
        self._come_to(row.nth)
        self._following += 1
        text, left_out = row_text(self._reading, row, most)
        before = self._styles.get(row.source, PLAIN)
        runs, after = runs_of(text, before)
        if len(row.raw) > most:  # what follows begins in the style in which all of it ends
            after = style_after(self._reading.decode(row.raw), before)
        self._styles[row.source] = after
        return _json_of(runs), left_out

    def _come_to(self, nth: int) -> None:
        """Learn the styles in which a line begins, from those before it."""
        if nth == self._following:
            return
        first = max(0, nth - LOOK_BACK_LINES)
        if first <= self._following <= nth:
            first = self._following
        else:
            self._styles.clear()
        for row in self._reading.lines.read(range(first, nth), _LOOK_BACK_BYTES):
            if b"\x1b[" in row.raw or row.source in self._styles:
                before = self._styles.get(row.source, PLAIN)
                self._styles[row.source] = style_after(self._reading.decode(row.raw), before)
        self._following = nth


def _rows_of(block: Block) -> Iterator[Row]:
    missing = [*repeat(0, len(block.contents) - 1), block.left_out]
    columns = (block.indices, block.contents, block.sources, block.times, missing)
    return (Row(*each) for each in zip(*columns, strict=True))


def _json_of(runs: list[Run]) -> str | list[list[Any]]:
    if not runs:
        return ""
    if len(runs) == 1 and (runs[0][1] is PLAIN or runs[0][1] == PLAIN):
        return runs[0][0]
    return [[text, _flags(style), _number(style.fg), _number(style.bg)] for text, style in runs]


def _flags(style: Style) -> int:
    return sum(1 << i for i, name in enumerate(_FLAGS) if getattr(style, name))


def _number(colour: Colour | None) -> int:
    if colour is None:
        return -1
    return colour if isinstance(colour, int) else RGB + int(colour[1:], 16)
