"""Lines as the browser gets them: harmless text with styles as numbers, never markup.

A row is ``[number, source, time, level, content, left_out]``: the line's number counted from 1,
the number of its source, µs since the start, the code of its level (`CODES`), its text, and how
many bytes of it are left out. Text that is all in one plain style is a string, other text a list
of ``[text, flags, foreground, background]``. Colours are numbers: 0 to 15 the named ones, from
`RGB` on 24 bits of red, green and blue, -1 none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..log.levels import LevelCodes
from ..log.lines import Row, content, grouped
from ..log.reading import Reading
from ..log.view.ansi import PLAIN, Colour, Run, Style, plain, runs_of
from ..log.view.excerpt import row_text

#: A line is cut to so many bytes until the whole is asked for.
CUT_BYTES = 2_000
#: And then to so many.
WHOLE_BYTES = 1_000_000
#: Colours before a line are looked for in so many lines.
LOOK_BACK_LINES = 100
#: So much of such a line is read: a style is set where text is.
_LOOK_BACK_BYTES = 4 << 10
#: Added to the 24 bits of a colour that has no name.
RGB = 16

_FLAGS = ("bold", "dim", "italic", "underline", "inverse", "strike")


class RowWriter:
    """Writes rows of one log; colours go on from line to line, for each source.

    Parameters
    ----------
    reading
        The log.
    """

    #: A level stands near the start of a line.
    LEVEL_BYTES = 500

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._levels = LevelCodes()
        self._styles: dict[int, Style] = {}
        self._following = 0  # the line that comes after those whose styles are known

    def rows(self, numbers: Sequence[int], most: int = CUT_BYTES) -> list[list[Any]]:
        """Return lines by their numbers (from 0, ascending), each cut to ``most`` bytes."""
        return list(self.each(numbers, most))

    def each(self, numbers: Sequence[int], most: int = CUT_BYTES) -> Iterator[list[Any]]:
        """Yield the same one by one."""
        for rows in grouped(self._reading.lines.read(numbers, max(most, _LOOK_BACK_BYTES))):
            levels = self._levels.of_lines([content(row.raw[: self.LEVEL_BYTES]) for row in rows])
            for row, level in zip(rows, levels, strict=True):
                if row.nth != self._following:
                    self._look_back(row.nth)
                self._following = row.nth + 1
                yield self._row(row, level, most)

    def texts(self, numbers: Sequence[int], most: int) -> Iterator[str]:
        """Yield lines as text alone, which takes a third of the time."""
        for row in self._reading.lines.read(numbers, most):
            yield plain(row_text(self._reading, row, most)[0])

    def _row(self, row: Row, level: int, most: int) -> list[Any]:
        text, left_out = row_text(self._reading, row, most)
        runs, style = runs_of(text, self._styles.get(row.source, PLAIN))
        self._styles[row.source] = style
        time_us = (row.time - self._reading.started) // 1000
        return [row.nth + 1, row.source, time_us, level, _json_of(runs), left_out]

    def _look_back(self, nth: int) -> None:
        """Learn the styles in which a line begins, from those before it."""
        self._styles.clear()
        before = range(max(0, nth - LOOK_BACK_LINES), nth)
        for row in self._reading.lines.read(before, _LOOK_BACK_BYTES):
            if b"\x1b[" in row.raw or row.source in self._styles:
                text, _ = row_text(self._reading, row, _LOOK_BACK_BYTES)
                _, style = runs_of(text, self._styles.get(row.source, PLAIN))
                self._styles[row.source] = style


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
