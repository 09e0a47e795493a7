"""Bars of several lines under a cell: rows that are drawn over, in a display of their own.

Front ends append to stream output: one that goes up to an earlier line would draw its bars below
each other. So while it does, what it draws stands in a display that is updated.
"""

from __future__ import annotations

import re

from ..log.view.ansi import Row
from ..log.view.moving_rows import UP_TEXT, MovingRows
from .target import StreamScreen
from .text import shown_row

#: So many rows stay in reach; those above them stay as they are. More bars fit on no screen.
_REACH_ROWS = 50
#: Of a row so many characters are shown. No terminal is wider.
_ROW_CHARACTERS = 1000
#: With this a program hides the cursor, mostly before the first of its bars.
_HIDES_CURSOR = re.compile(r"\r*\x1b\[\?25l")


def first_frame_of(text: str) -> int | None:
    """Return where in a text the first bars begin, as far as it says so; None: it does not."""
    hidden = _HIDES_CURSOR.search(text)
    return None if hidden is None else hidden.start()


def draws_over(text: str) -> bool:
    """Tell whether a text goes up to earlier rows."""
    return UP_TEXT.search(text) is not None


class MovingBlock:
    """Rows of one source that are drawn over.

    Parameters
    ----------
    screen
        Where they are shown, by themselves.
    """

    def __init__(self, screen: StreamScreen) -> None:
        self._screen = screen
        self._rows = MovingRows()
        self.is_news = False

    def take(self, text: str) -> str:
        """Take what the source wrote; return the rows that stay as they are from now on."""
        self._rows.write(text)
        self.is_news = True
        above = list(map(_shown, self._rows.take_above(_REACH_ROWS)))
        if above:
            self._screen.draw(above, final=True)
            self._screen = self._screen.beside()
        return "".join(row + "\n" for row in above)

    def __len__(self) -> int:
        return sum(map(len, self._rows.rows))

    def has_ended_with(self, text: str) -> bool:
        """Tell whether with a text, the last, it seems that nothing is drawn over any more."""
        moves = draws_over(text) or first_frame_of(text) is not None
        return self._rows.is_at_end and "\n" in text and not moves

    def draw(self, final: bool = False) -> None:
        """Show the rows as they are now."""
        self.is_news = False
        self._screen.draw(list(map(_shown, self._rows.rows)), final)


def _shown(row: Row) -> str:
    return shown_row(row.runs(), _ROW_CHARACTERS)
