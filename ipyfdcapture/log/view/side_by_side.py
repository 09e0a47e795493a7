"""Two logs beside each other: equal lines are folded, others marked by more than colour."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import islice
from typing import Protocol

from ..reading import Reading
from . import ansi as safe
from .style_sheet import style_sheet
from .words import counted

#: So many equal lines are shown around a change.
AROUND = 2
#: So many rows, and bytes, a view has at most.
MAX_ROWS = 400
MAX_BYTES = 200_000
#: So much of a line is shown.
_MAX_CHARACTERS = 300
_WORD = re.compile(r"\w+|\s+|.", re.DOTALL)


class Change(Protocol):
    """Lines that differ: positions in the left log, and in the right."""

    @property
    def left(self) -> range:
        """Those of the left."""

    @property
    def right(self) -> range:
        """Those of the right."""


def unified(left: Reading, right: Reading, changes: Sequence[Change]) -> Iterator[str]:
    """Yield what ``diff -u`` shows, without lines around the changes."""
    lost = _texts(left, [change.left for change in changes])
    new = _texts(right, [change.right for change in changes])
    for change in changes:
        yield f"@@ -{_span(change.left)} +{_span(change.right)} @@\n"
        for mark, texts, lines in (("-", lost, change.left), ("+", new, change.right)):
            for text in islice(texts, len(lines)):
                yield f"{mark}{text}\n"


def _span(lines: range) -> str:
    if len(lines) == 1:
        return str(lines.start + 1)
    return f"{lines.start + bool(len(lines))},{len(lines)}"


def _texts(reading: Reading, stretches: Sequence[range]) -> Iterator[str]:
    """Yield the lines of all stretches: to read each on its own takes several times as long."""
    for block in reading.at(stretches).blocks():
        yield from map(safe.plain, block.texts)


def html(left: Reading, right: Reading, changes: Sequence[Change], ignore: Iterable[str]) -> str:
    """Return a table that is bounded in size and can be read without its style."""
    aside = ", ".join(ignore)
    lost = sum(len(change.left) for change in changes)
    new = sum(len(change.right) for change in changes)
    said = (
        f"{counted(lost, 'line')} only left (-), {counted(new, 'line')} only right (+)"
        if changes
        else "no difference"
    )
    if aside:
        said += f"; {aside} set aside"
    style = style_sheet("diff.css")
    parts = [
        f'<div class="fddiff" role="group" aria-label="two logs"><style><!--\n{style}--></style>'
        f'<div class="fddiff-head"><b>Difference</b> {escape(said)}</div>'
    ]
    if changes:
        parts.append('<div class="fddiff-scroll"><table class="fddiff-lines">')
        parts += _rows(left, right, changes)
        parts.append("</table></div>")
    parts.append("</div>")
    return "".join(parts)


def _rows(left: Reading, right: Reading, changes: Sequence[Change]) -> Iterator[str]:
    rows = size = 0
    at = 0
    for i, change in enumerate(changes):
        following = changes[i + 1].left.start if i + 1 < len(changes) else len(left.indices)
        before = range(max(at, change.left.start - AROUND), change.left.start)
        after = range(change.left.stop, min(change.left.stop + AROUND, following))
        hidden = before.start - at
        parts = [_folded(hidden)] if hidden > 0 else []
        shift = change.right.start - change.left.start
        parts += _equal(left, right, before, shift)
        room = MAX_ROWS - rows
        parts += _changed(left, right, change, room)
        parts += _equal(left, right, after, change.right.stop - change.left.stop)
        at = after.stop
        rows += len(parts)
        size += sum(map(len, parts))
        if size > MAX_BYTES or rows > MAX_ROWS + 2 * AROUND + 2:
            left_out = len(changes) - i
            yield _note(f"⋮ {counted(left_out, 'more change')}: diff.changes, print(diff)")
            return
        yield from parts
        if rows >= MAX_ROWS and i + 1 < len(changes):
            left_out = len(changes) - i - 1
            yield _note(f"⋮ {counted(left_out, 'more change')}: diff.changes, print(diff)")
            return
    if at < len(left.indices):
        yield _folded(len(left.indices) - at)


def _folded(count: int) -> str:
    return _note(f"⋮ {counted(count, 'equal line')}")


def _note(text: str) -> str:
    return f'<tr class="fddiff-more"><td colspan="4">{text}</td></tr>'


def _equal(left: Reading, right: Reading, lines: range, shift: int) -> list[str]:
    other = range(lines.start + shift, lines.stop + shift)
    pairs = zip(_numbered(left, lines), _numbered(right, other), strict=False)
    return [
        f"<tr>{_cell(number, escape(text), '')}{_cell(its, escape(theirs), '')}</tr>"
        for (number, text), (its, theirs) in pairs
    ]


def _changed(left: Reading, right: Reading, change: Change, most: int) -> list[str]:
    count = max(len(change.left), len(change.right))
    shown = min(count, max(most, 1))
    ours = list(_numbered(left, change.left[:shown]))
    theirs = list(_numbered(right, change.right[:shown]))
    parts = []
    for i in range(shown):
        mine = ours[i] if i < len(ours) else None
        other = theirs[i] if i < len(theirs) else None
        if mine is not None and other is not None:
            marked = _marked(mine[1], other[1])
        else:
            marked = (escape(mine[1]) if mine else "", escape(other[1]) if other else "")
        parts.append(
            "<tr>"
            + (_cell(mine[0], marked[0], "-") if mine else _NO_CELL)
            + (_cell(other[0], marked[1], "+") if other else _NO_CELL)
            + "</tr>"
        )
    if shown < count:
        parts.append(_note(f"⋮ {counted(count - shown, 'more changed line')}: print(diff)"))
    return parts


def _numbered(reading: Reading, lines: range) -> Iterator[tuple[int, str]]:
    for row in reading.lines.read(reading.indices[lines.start : lines.stop]):
        text = safe.plain(reading.text(row))
        if len(text) > _MAX_CHARACTERS:
            text = text[: _MAX_CHARACTERS - 1] + "…"
        yield row.nth + 1, text


def _marked(mine: str, other: str) -> tuple[str, str]:
    """Return both as HTML, with what differs in them marked."""
    my_words, other_words = _WORD.findall(mine), _WORD.findall(other)
    matcher = difflib.SequenceMatcher(None, my_words, other_words, autojunk=False)
    sides: tuple[list[str], list[str]] = ([], [])
    for tag, *places in matcher.get_opcodes():
        for side, words, start, stop in (
            (sides[0], my_words, places[0], places[1]),
            (sides[1], other_words, places[2], places[3]),
        ):
            text = _kept(escape("".join(words[start:stop])))
            side.append(text if tag == "equal" or not text else f"<mark>{text}</mark>")
    return "".join(sides[0]), "".join(sides[1])


def _kept(text: str) -> str:
    """Return text that nbconvert leaves as it is: of spaces alone between two tags it keeps one."""
    return "\u00a0" + text[1:] if text.startswith(" ") and text.isspace() else text


_NO_CELL = '<td class="fddiff-n"></td><td class="fddiff-none"></td>'


def _cell(number: int, html: str, mark: str) -> str:
    kind = {"-": "fddiff-left", "+": "fddiff-right", "": "fddiff-same"}[mark]
    return (
        f'<td class="fddiff-n">{number:,}</td>'
        f'<td class="{kind}"><code>{mark or _kept(" ")} <span dir="ltr">{_kept(html)}</span></code>'
        "</td>"
    )
