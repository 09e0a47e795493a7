r"""Captured text is data: nothing in it may drive a terminal or a browser, or hide.

Colours and styles (SGR sequences) are understood. So are ``\r``, backspace, "erase line" and moves
within a line, with which programs draw progress: what is shown is what a terminal would show in
the end. Every other control sequence vanishes. A control character that is part of none, and
characters that change the direction of text, are shown as what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

#: ``0`` .. ``15``: one of the 16 named colours; or ``#rrggbb``.
Colour = int | str

# A string has no introducer of another inside: to look for its end, nothing is read twice.
SEQUENCE = (
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x9b[0-?]*[ -/]*[@-~]"  # CSI
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"  # OSC: titles, links
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x90\x98\x9c-\x9f]*(?:\x1b\\|\x9c)"  # DCS, SOS, PM
    r"|\x1b[ -/]+[0-~]|\x1b[0-OQ-WYZ\\`-~]"  # character sets, reset, ...
)
_HIDDEN = (
    "\x00-\x08\x0a-\x1f\x7f-\x9f"  # controls, but for the tab
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # direction
    "\u2028\u2029\ufff9-\ufffb\U000e0000-\U000e007f"  # line ends, annotations, tags
    "\ud800-\udfff"  # bad bytes, from some error handlers
)
_TOKEN = re.compile(f"(?P<text>[^{_HIDDEN}]+)|(?P<sequence>{SEQUENCE})|(?P<hidden>[{_HIDDEN}])")
_SPECIAL = re.compile(f"[{_HIDDEN}]")
_HARMLESS_ASCII = bytes(i for i in range(128) if not _SPECIAL.match(chr(i)))
_SGR = re.compile(r"(?:\x1b\[|\x9b)([0-9;:]*)m")
#: What changes a row other than by writing to it: erase a part of it, move the cursor along it.
CURSOR_SEQUENCE = r"(?:\x1b\[|\x9b)(?:[012]?K|0?J|[0-9]{0,9}[CDG])"
_CURSOR = re.compile(CURSOR_SEQUENCE)
#: What moves the cursor in a line, but for the carriage return, and whatever begins it.
MOVE = re.compile(f"\b|{CURSOR_SEQUENCE}")
_BEGINS_MOVE = ("\b", "\x1b", "\x9b")
#: No terminal is wider: a move beyond this and beyond the text ends at the further of the two.
WIDEST_COLUMNS = 1000

#: What a full-screen program draws, from where it takes another screen to where it gives it back:
#: in a line, it draws all over the place. (It may go on in other lines, which are shown then.)
SCREEN_BEGINS = re.compile(r"\x1b\[\?(?:1049|1047|47)h")
SCREEN_ENDS = re.compile(r"\x1b\[\?(?:1049|1047|47)l")
SCREEN = re.compile(f"{SCREEN_BEGINS.pattern}.*?(?:{SCREEN_ENDS.pattern}|\\Z)", re.DOTALL)
#: What is shown in its place.
SCREEN_MARK = "[a full-screen program] "


@dataclass(frozen=True, slots=True)
class Style:
    """How text looks."""

    fg: Colour | None = None
    bg: Colour | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    inverse: bool = False
    strike: bool = False


PLAIN = Style()
Run = tuple[str, Style]

_ON = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike", 21: "underline"}
_OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("inverse",), 29: ("strike",)}


#: So much text decides on the style of what follows it.
_STYLED_CHARACTERS = 64 << 10


def runs_of(text: str, style: Style = PLAIN) -> tuple[list[Run], Style]:
    """Return one line as runs of harmless text in one style each, and the style at its end.

    Parameters
    ----------
    text
        The line, without its line end.
    style
        The style in which it begins.
    """
    if not _SPECIAL.search(text):
        return ([(text, style)] if text else []), style
    first, *others = SCREEN.split(text) if "\x1b[?" in text else [text]
    runs, style = _runs_without_screens(first, style)
    for part in others:
        more, style = _runs_without_screens(part, style)
        runs += [(SCREEN_MARK, PLAIN), *more]
    return runs, style


def _runs_without_screens(text: str, style: Style) -> tuple[list[Run], Style]:
    row = Row()
    for token in tokens(text):
        style = follow(row, token, style)
    return row.runs(), style


def tokens(text: str) -> Iterator[re.Match[str]]:
    """Yield what text consists of, for `follow`: text, sequences, single controls."""
    return _TOKEN.finditer(text)


def follow(row: Row, token: re.Match[str], style: Style) -> Style:
    """Do to a row what a token says, written in a style; return the style after it."""
    part = token.group()
    if token.lastgroup == "text":
        row.write(part, style)
    elif part in ("\r", "\b") or _CURSOR.fullmatch(part):
        row.obey(part)
    elif token.lastgroup == "hidden":
        row.write(visible(part), style)
    elif sgr := _SGR.fullmatch(part):
        return restyled(style, sgr[1])
    return style


def style_after(text: str, style: Style = PLAIN) -> Style:
    """Return the style in which text leaves what follows it.

    Of much text the end is looked at: programs reset the style often.
    """
    if "\x1b" not in text and "\x9b" not in text:
        return style
    last_reset = max(text.rfind("\x1b[0m"), text.rfind("\x1b[m"), len(text) - _STYLED_CHARACTERS, 0)
    for sgr in _SGR.finditer(text, last_reset):
        style = restyled(style, sgr[1])
    return style


def has_moves(text: str) -> bool:
    r"""Tell whether the cursor moves in a line, other than by ``\r``."""
    return any(begin in text for begin in _BEGINS_MOVE) and MOVE.search(text) is not None


def plain(text: str) -> str:
    """Return one line as harmless text without styles."""
    return "".join(part for part, _ in runs_of(text)[0])


def are_plain(texts: Sequence[str]) -> bool:
    """Tell whether texts are known to be harmless and without styles, as they are."""
    text = "".join(texts)
    if text.isascii():  # most are: a fifth of the time of `isprintable`
        return not text.encode().translate(None, _HARMLESS_ASCII)
    return text.isprintable() or not _SPECIAL.search(text)  # the first takes a fifth of the time


def visible(character: str) -> str:
    r"""Return what stands for a character that must not be itself: ``\x1b``, ``\u202e``, ..."""
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class Row:
    """One row of a terminal, as wide as needed: to write over a cell costs that cell."""

    def __init__(self) -> None:
        self._cursor = 0
        self._characters: list[str] = []
        self._styles: list[Style] = []
        self._blank = 0  # so many cells at the start are known to be
        self._end = 0  # the cells from here on were erased

    def write(self, text: str, style: Style = PLAIN) -> None:
        """Write text at the cursor."""
        missing = self._cursor - len(self._characters)
        if missing > 0:
            self._characters += " " * missing
            self._styles += [PLAIN] * missing
        end = self._cursor + len(text)
        self._characters[self._cursor : end] = text
        self._styles[self._cursor : end] = [style] * len(text)
        self._blank = min(self._blank, self._cursor)
        self._cursor = end
        self._end = max(self._end, end)

    def obey(self, control: str) -> None:
        r"""Do what ``\r``, ``\b`` or a `CURSOR_SEQUENCE` says."""
        if control == "\r":
            self._cursor = 0
        elif control == "\b":
            self._cursor = max(0, self._cursor - 1)
        elif control[-1] in "KJ":
            self._erase(control[-2:-1])
        else:
            number = int(control.lstrip("\x1b\x9b[")[:-1] or 1)
            widest = max(len(self._characters), WIDEST_COLUMNS)
            steps = {"C": max(number, 1), "D": -max(number, 1)}
            moved = self._cursor + steps.get(control[-1], number - 1 - self._cursor)
            self._cursor = min(max(moved, 0), widest)

    def _erase(self, what: str) -> None:
        """Erase up to the cursor ("1"), all ("2"), or else from the cursor on."""
        if what != "1":
            del self._characters[self._cursor :], self._styles[self._cursor :]
            self._end = min(self._end, self._cursor)
        if what in ("1", "2"):
            stop = min(self._cursor, len(self._characters))
            some = slice(self._blank, stop)
            self._characters[some] = " " * (stop - self._blank)
            self._styles[some] = [PLAIN] * (stop - self._blank)
            self._blank = max(self._blank, stop)
            if self._end <= stop:
                self._end = 0

    def __len__(self) -> int:
        return len(self._characters)

    @property
    def column(self) -> int:
        """Where the cursor is, counted from 0."""
        return self._cursor

    @column.setter
    def column(self, column: int) -> None:
        self._cursor = column

    def runs(self) -> list[Run]:
        """Return what it shows, from style to style."""
        runs, start = [], 0
        for style, cells in groupby(self._styles):
            stop = start + sum(1 for _ in cells)
            runs.append(("".join(self._characters[start:stop]), style))
            start = stop
        return runs

    @property
    def text(self) -> str:
        """What it shows, without the cells at its end that were erased."""
        return "".join(self._characters[: self._end])


def cut(runs: list[Run], start: int, stop: int) -> list[Run]:
    """Return the characters ``start`` .. ``stop`` of runs."""
    position, kept = 0, []
    for text, style in runs:
        part = text[max(0, start - position) : max(0, stop - position)]
        if part:
            kept.append((part, style))
        position += len(text)
    return kept


def restyled(style: Style, parameters: str) -> Style:
    """Return a style changed by the parameters of an SGR sequence: ``1;31``, ``38:2::1:2:3;4:3``.

    What colons join is one code: a number, and what it says more exactly.
    """
    codes = iter(
        [[int(part or 0) for part in code.split(":")] for code in parameters[:1000].split(";")]
    )
    for code, *parts in codes:
        if code == 0:
            style = PLAIN
        elif code == 4 and parts[:1] == [0]:
            style = replace(style, underline=False)
        elif code in _ON:
            style = replace(style, **{_ON[code]: True})
        elif code in _OFF:
            style = replace(style, **dict.fromkeys(_OFF[code], False))
        elif code in (38, 48, 58):
            if parts[:1] == [2] and len(parts) > 4:
                del parts[1]  # the number of a colour space
            colour = _extended_colour(iter(parts) if parts else (first for first, *_ in codes))
            if code != 58:  # the colour of the underline alone
                style = _coloured(style, colour, code == 38)
        elif 30 <= code <= 49 or 90 <= code <= 107:
            decade, number = divmod(code, 10)
            named = None if number == 9 else number + (8 if decade >= 9 else 0)
            style = _coloured(style, named, decade in (3, 9))
    return style


def _coloured(style: Style, colour: Colour | None, foreground: bool) -> Style:
    return replace(style, fg=colour) if foreground else replace(style, bg=colour)


def _extended_colour(codes: Iterator[int]) -> Colour | None:
    kind = next(codes, None)
    if kind == 5:
        return _colour_of_256(min(next(codes, 0), 255))
    if kind == 2:
        red, green, blue = (min(next(codes, 0), 255) for _ in range(3))
        return f"#{red:02x}{green:02x}{blue:02x}"
    return None


def _colour_of_256(number: int) -> Colour:
    if number < 16:
        return number
    if number >= 232:
        level = 8 + 10 * (number - 232)
        return f"#{level:02x}{level:02x}{level:02x}"
    levels = (0, 95, 135, 175, 215, 255)
    red, rest = divmod(number - 16, 36)
    return "#" + "".join(f"{levels[i]:02x}" for i in (red, *divmod(rest, 6)))


def to_terminal(runs: list[Run]) -> str:
    """Return runs for a terminal: text, and colours that end where they should."""
    parts = []
    for text, style in runs:
        codes = _sgr_codes(style)
        parts.append(f"\x1b[{codes}m{text}\x1b[0m" if codes else text)
    return "".join(parts)


def sgr_of(style: Style) -> str:
    """Return the sequence that begins a style, whatever was before it."""
    codes = _sgr_codes(style)
    return f"\x1b[0;{codes}m" if codes else "\x1b[0m"


def _sgr_codes(style: Style) -> str:
    if style == PLAIN:
        return ""
    codes = [str(code) for code, name in _ON.items() if code < 10 and getattr(style, name)]
    for colour, first in ((style.fg, 30), (style.bg, 40)):
        if isinstance(colour, int):
            codes.append(str(first + colour if colour < 8 else first + 60 + colour - 8))
        elif colour is not None:
            levels = ";".join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
            codes.append(f"{first + 8};2;{levels}")
    return ";".join(codes)
