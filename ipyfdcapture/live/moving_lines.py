r"""Lines in which a program moves the cursor, for front ends that know ``\r`` alone.

A spinner goes back with ``ESC [ 1 G``, cargo erases its bar with ``ESC [ K``: front ends ignore
that, and go on showing what was erased. So such a line is shown again as a whole each time, from
its start. What follows a ``\r`` replaces as many characters, those of escape sequences counted
(JupyterLab) or not: blanks cover the rest in either case.
"""

from __future__ import annotations

import re

from ..log.view.ansi import (
    PLAIN,
    Row,
    Style,
    follow,
    has_moves,
    runs_of,
    sgr_of,
    style_after,
    to_terminal,
    tokens,
)
from .text import whole_sequences

#: What says nothing to a front end: all but colours.
_NOT_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-ln-~]")
_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*m")
#: A longer line is not shown again. No terminal is wider.
_LONGEST_CHARACTERS = 1000
#: Of what comes at once so much is looked at, which takes a tenth of a second.
_MOST_CHARACTERS = 64 << 10


class MovingLines:
    """What sources write, so that front ends show it as a terminal would."""

    def __init__(self) -> None:
        self._open: dict[int, _OpenLine] = {}

    def take(self, source: int, text: str) -> str:
        """Return what is to be shown for text that a source wrote."""
        line = self._open.setdefault(source, _OpenLine(PLAIN))
        if not line.has_moves and not has_moves(text):
            complete, newline, _ = text.rpartition("\n")
            if newline:
                line = self._open[source] = _OpenLine(style_after(complete, line.style))
            text = _without_others(text)
            line.add(text.rpartition("\n")[2])
            return text
        if len(text) > _MOST_CHARACTERS:
            return self._take_much(source, text)
        first, *others = text.split("\n")
        shown = [line.shown_for(first)]
        for part in others:
            line = self._open[source] = _OpenLine(line.style)
            shown.append(line.shown_for(part))
        return "\n".join(shown)

    def _take_much(self, source: int, text: str) -> str:
        start = whole_sequences(text[:_MOST_CHARACTERS])
        shown, rest = self.take(source, start), text[len(start) :]
        line = self._open[source] = _OpenLine(style_after(rest))
        line.add(rest.rpartition("\n")[2])
        return shown + rest

    def take_back(self, source: int) -> tuple[str, str]:
        """Forget the unfinished line of a source; return it, and what erases it where it stands."""
        line = self._open.pop(source, None)
        return ("", "") if line is None else (line.text, line.erasure)


def _reach_of(text: str, at: int) -> tuple[int, int]:
    """Return before which character the cursor stands after a text, and how far it came."""
    first, *others = text.split("\r")
    ends = [at + len(first), *map(len, others)]
    return ends[-1], max(ends)


def _without_others(text: str) -> str:
    return _NOT_COLOURS.sub("", text) if "\x1b[" in text else text


def in_place(line: str) -> str:
    """Return a whole line with its colours, in which nothing moves."""
    if "\r" not in line and not has_moves(line):
        return str(line)
    return to_terminal(runs_of(line)[0])


class _OpenLine:
    """A line that has no end yet."""

    def __init__(self, style: Style) -> None:
        self._row = Row()
        self._style = style
        self._unwritten = ""  # what is not in the row yet
        self._is_too_long = False
        self._characters = 0  # so many stand there, escape sequences counted
        self._at = 0  # before so many of them is the cursor
        self._columns = self._column = 0  # the same, escape sequences not counted
        #: Whether it is shown again each time.
        self.has_moves = False

    def add(self, text: str) -> None:
        """Add text that is shown as it is."""
        self._at, end = _reach_of(text, self._at)
        self._characters = max(self._characters, end)
        self._column, end = _reach_of(_COLOURS.sub("", text), self._column)
        self._columns = max(self._columns, end)
        self._unwritten += text
        if len(self._unwritten) > _LONGEST_CHARACTERS:
            self._write()

    def shown_for(self, text: str) -> str:
        """Add text; return what is to be shown for it."""
        if not self.has_moves and not has_moves(text):
            text = _without_others(text)
            self.add(text)
            return text
        if not text:
            return ""
        self._write()
        before = self._style
        self._unwritten = text
        self._write()
        if self._is_too_long:
            self.has_moves = False
            return _without_others(text)
        self.has_moves = True
        start = "\r" if self._characters else ""
        shown = (sgr_of(PLAIN) if before != PLAIN else "") + self.text
        colour = sgr_of(self._style) if self._style != PLAIN else ""
        width = len(_COLOURS.sub("", shown))
        blank = " " * max(self._characters - len(shown) - len(colour), self._columns - width)
        self._at = self._characters = len(shown) + len(blank) + len(colour)
        self._column = self._columns = width + len(blank)
        return start + shown + blank + colour

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
        return f"\r{' ' * self._characters}\r"

    def _write(self) -> None:
        text, self._unwritten = self._unwritten, ""
        if self._is_too_long or len(text) > _MOST_CHARACTERS:
            self._is_too_long = True
            self._style = style_after(text, self._style)
            return
        for token in tokens(text):
            self._style = follow(self._row, token, self._style)
        self._is_too_long = len(self._row) > _LONGEST_CHARACTERS
