r"""Lines in which a program moves the cursor, for front ends that know ``\r`` alone.

A spinner goes back with ``ESC [ 1 G``, cargo erases its bar with ``ESC [ K``: front ends ignore
that, and go on showing what was erased. So such a line is shown again as a whole each time, from
its start.
"""

from __future__ import annotations

import re

from ..log.view.ansi import (
    CURSOR_SEQUENCE,
    PLAIN,
    Row,
    Style,
    follow,
    runs_of,
    sgr_of,
    style_after,
    to_terminal,
    tokens,
)

#: What moves in a line, but for the carriage return.
_MOVE = re.compile(f"\b|{CURSOR_SEQUENCE}")
#: A longer line is not shown again. No terminal is wider.
_LONGEST_CHARACTERS = 1000
#: Nor is one that was written in so many characters at once: that would take a tenth of a second.
_MOST_CHARACTERS = 64 << 10


class MovingLines:
    """What sources write, so that front ends show it as a terminal would."""

    def __init__(self) -> None:
        self._open: dict[int, _OpenLine] = {}

    def take(self, source: int, text: str) -> str:
        """Return what is to be shown for text that a source wrote."""
        line = self._open.setdefault(source, _OpenLine(PLAIN))
        if not line.has_moves and not _MOVE.search(text):
            *complete, rest = text.rsplit("\n", 1)
            if complete:
                line = self._open[source] = _OpenLine(style_after(complete[0], line.style))
            line.add(rest)
            return text
        first, *others = text.split("\n")
        shown = [line.shown_for(first)]
        for part in others:
            line = self._open[source] = _OpenLine(line.style)
            shown.append(line.shown_for(part))
        return "\n".join(shown)

    def take_back(self, source: int) -> tuple[str, str]:
        """Forget the unfinished line of a source; return it, and what erases it where it stands."""
        line = self._open.pop(source, None)
        return ("", "") if line is None else (line.text, line.erasure)


def in_place(line: str) -> str:
    """Return a whole line with its colours, in which nothing moves."""
    if "\r" not in line and not _MOVE.search(line):
        return str(line)
    return to_terminal(runs_of(line)[0])


class _OpenLine:
    """A line that has no end yet."""

    def __init__(self, style: Style) -> None:
        self._row = Row()
        self._style = style
        self._unwritten = ""  # what is not in the row yet
        self._is_too_long = False
        #: Whether it is shown again each time.
        self.has_moves = False

    def add(self, text: str) -> None:
        """Add text that is shown as it is."""
        self._unwritten += text
        if len(self._unwritten) > _LONGEST_CHARACTERS:
            self._write()

    def shown_for(self, text: str) -> str:
        """Add text; return what is to be shown for it."""
        if not self.has_moves and not _MOVE.search(text):
            self.add(text)
            return text
        if not text:
            return ""
        self._write()
        was_shown, columns, before = self._was_shown, len(self._row), self._style
        self._unwritten = text
        self._write()
        if self._is_too_long:
            self.has_moves = False
            return text
        self.has_moves = True
        reset = sgr_of(PLAIN) if before != PLAIN else ""
        start = "\r" if was_shown else ""
        blank = " " * (columns - len(self._row))
        colour = sgr_of(self._style) if self._style != PLAIN else ""
        return start + reset + self.text + blank + colour

    @property
    def _was_shown(self) -> bool:
        return self.has_moves or len(self._row) > 0

    @property
    def style(self) -> Style:
        """The style that it leaves to the next line."""
        return style_after(self._unwritten, self._style)

    @property
    def text(self) -> str:
        """What it shows, in its colours."""
        self._write()
        return to_terminal(self._row.runs())

    @property
    def erasure(self) -> str:
        """What erases it."""
        self._write()
        return f"\r{' ' * len(self._row)}\r" if self._was_shown and not self._is_too_long else ""

    def _write(self) -> None:
        text, self._unwritten = self._unwritten, ""
        if self._is_too_long or len(text) > _MOST_CHARACTERS:
            self._is_too_long = True
            self._style = style_after(text, self._style)
            return
        for token in tokens(text):
            self._style = follow(self._row, token, self._style)
        self._is_too_long = len(self._row) > _LONGEST_CHARACTERS
