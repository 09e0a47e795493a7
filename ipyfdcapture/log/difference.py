"""Two logs line by line: what is equal, and what only one of them has."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .line import Line
from .normalizing import checked_kinds, normalized
from .reading import Reading
from .sequence_diff import matches
from .view.ansi import plain

_SPECIAL = re.compile(r"[^\t\n -~\xa0-\uffff]")


class Change(NamedTuple):
    """Lines that differ: which of the one log, and which of the other in their place."""

    #: Numbers of lines, counted from 0, in the logs that were compared.
    left: range
    right: range


class Diff:
    """What is different in two logs, as `Captured.diff` returns it.

    It is true if anything is; ``print(diff)`` shows it as ``diff -u`` does, and in a notebook it
    shows the logs side by side, with what is equal folded.

    Attributes
    ----------
    changes
        The stretches that differ, in order: `Change`, with ``left`` and ``right``.

    Examples
    --------
    >>> diff = logs.head(4).diff(logs.head(4).grep("loss"))
    >>> len(diff.changes), bool(diff)
    (2, True)
    >>> list(diff.only_left())
    ['solver 1.0', 'warning: small step']
    """

    def __init__(self, left: Reading, right: Reading, ignore: tuple[str, ...]) -> None:
        self._left, self._right = left, right
        self._ignore = ignore
        self.changes = _changes(left, right, ignore)

    def __bool__(self) -> bool:
        return bool(self.changes)

    def only_left(self) -> Iterator[Line]:
        """Yield the lines that the left log alone has.

        Examples
        --------
        >>> list(logs.diff(logs.tail(4)).only_left())
        ['solver 1.0', 'iteration 1: loss 0.5']
        """
        return _lines(self._left, [change.left for change in self.changes])

    def only_right(self) -> Iterator[Line]:
        """Yield the lines that the right log alone has.

        Examples
        --------
        >>> list(logs.diff(logs.tail(4)).only_right())
        []
        """
        return _lines(self._right, [change.right for change in self.changes])

    def __str__(self) -> str:
        from .view.side_by_side import unified

        return "".join(unified(self._left, self._right, self.changes)).removesuffix("\n")

    def __repr__(self) -> str:
        left = sum(len(change.left) for change in self.changes)
        right = sum(len(change.right) for change in self.changes)
        aside = f", {' and '.join(self._ignore)} set aside" if self._ignore else ""
        if not self.changes:
            return f"<Diff: no difference{aside}>"
        return f"<Diff: {left:,} lines only left, {right:,} only right{aside}>"

    def _repr_html_(self) -> str:
        from .view.side_by_side import html

        return html(self._left, self._right, self.changes, self._ignore)


def _lines(reading: Reading, stretches: Sequence[range]) -> Iterator[Line]:
    some = reading.at(stretches)
    return some.make_lines(some.indices)


def difference(left: Reading, right: Reading, ignore: str | tuple[str, ...] | list[str]) -> Diff:
    """Return what is different; see `Captured.diff`."""
    return Diff(left, right, checked_kinds(ignore))


def _changes(left: Reading, right: Reading, kinds: tuple[str, ...]) -> list[Change]:
    known: dict[str, int] = {}
    a, b = (_as_numbers(reading, kinds, known) for reading in (left, right))
    changes = []
    at_a = at_b = 0
    for start_a, start_b, length in [*matches(a, b), (len(a), len(b), 0)]:
        if start_a > at_a or start_b > at_b:
            changes.append(Change(range(at_a, start_a), range(at_b, start_b)))
        at_a, at_b = start_a + length, start_b + length
    return changes


def _as_numbers(reading: Reading, kinds: tuple[str, ...], known: dict[str, int]) -> array[int]:
    """Return a number for each line: the same for those that count as equal."""
    numbers = array("q")
    for block in reading.blocks():
        texts = block.texts
        if _SPECIAL.search("\n".join(texts)):
            texts = [plain(text) if _SPECIAL.search(text) else text for text in texts]
        if kinds:
            texts = normalized("\n".join(texts), kinds).split("\n")
        numbers.extend([known.setdefault(text, len(known)) for text in texts])
    return numbers
