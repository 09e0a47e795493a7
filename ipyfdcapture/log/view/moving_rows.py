r"""Rows of a terminal that are drawn over: bars of several lines, as rich and docker draw them.

A program goes up some rows (``ESC [ 3 A``) and writes over what stands there. What is seen in the
end is the last state of each row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .ansi import PLAIN, Row, follow, tokens

#: What moves the cursor to another row. (Down is for who has been up.)
VERTICAL = re.compile(r"\x1b\[([0-9]{0,5})([ABEF])|\x1bM")
#: What goes up, in bytes: without it, no row is drawn over.
UP = re.compile(rb"\x1b(?:\[([0-9]{0,5})[AF]|M)")
#: What goes up in text.
UP_TEXT = re.compile(r"\x1b(?:\[[0-9]{0,5}[AF]|M)")
#: So many rows can be reached: no terminal has more.
MOST_ROWS = 200


class MovingRows:
    """The rows that one source draws, the last of which can be drawn over.

    Parameters
    ----------
    texts
        What the rows hold that stand above the cursor: lines without line ends.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        #: All rows, the highest first.
        self.rows: list[Row] = []
        self._at = 0
        self._style = PLAIN
        for text in texts:
            self.write(text + "\n")

    @property
    def is_at_end(self) -> bool:
        """Whether what comes next begins a new row."""
        return self._at >= len(self.rows)

    def write(self, text: str) -> None:
        """Write text, line ends included, as a terminal would."""
        for token in tokens(text):
            part = token.group()
            if part == "\n":
                self._row()  # an empty line is a row as well
                self._go(self._at + 1, 0)
            elif move := VERTICAL.fullmatch(part):
                self._move(int(move[1] or 1), move[2] or "A")
            else:
                row = self._row()
                if part in ("\x1b[J", "\x1b[0J"):
                    del self.rows[self._at + 1 :]
                self._style = follow(row, token, self._style)

    def take_above(self, count: int) -> list[Row]:
        """Remove rows above the last ``count`` and above the cursor, and return them."""
        some = max(min(len(self.rows) - count, self._at), 0)
        taken = self.rows[:some]
        del self.rows[:some]
        self._at -= some
        return taken

    def _row(self) -> Row:
        if self._at == len(self.rows):
            self.rows.append(Row())
        return self.rows[self._at]

    def _move(self, count: int, direction: str) -> None:
        is_to_start = direction in "EF" or self.is_at_end
        column = 0 if is_to_start else self._row().column
        rows = count if direction in "BE" else -count
        self._go(self._at + rows, column)

    def _go(self, at: int, column: int) -> None:
        self._at = min(max(at, 0), len(self.rows))
        if column or self._at < len(self.rows):
            self._row().column = column
