"""What scans have found so far: a byte for each line, for each thing that was looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..log.levels import CODES
from .masks import Mask, both, widened
from .requests import Pattern

#: So many lines are combined at a time.
SLICE = 1 << 17


@dataclass(frozen=True)
class Key:
    """What is looked for."""

    #: ``levels``, ``search``, ``sources`` or ``between``.
    kind: str
    pattern: Pattern | None = None
    sources: tuple[int, ...] = ()
    #: µs since the epoch.
    first: int = 0
    last: int = 0

    @property
    def depends_on_text(self) -> bool:
        """Whether what is found of a line can change while the line grows."""
        return self.kind in ("levels", "search")

    def wish(self) -> dict[str, Any]:
        """Return it as the scan process takes it."""
        if self.pattern is not None:
            pattern = self.pattern
            return {
                "kind": "search",
                "text": pattern.text,
                "regex": pattern.regex,
                "case": pattern.case,
            }
        if self.kind == "sources":
            return {"kind": "sources", "wanted": list(self.sources)}
        return {"kind": self.kind, "first": self.first, "last": self.last}


LEVELS = Key("levels")
#: Translates a column into the mask of what was not found.
OTHERS = bytes([1, *bytes(255)])


class Column:
    """One thing that is looked for: the bytes found so far, from the first line on."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        #: How many lines have which byte.
        self.counts = [0] * len(CODES)
        #: The id of the task that is at work; None: none is.
        self.task: int | None = None
        #: How often a task was begun anew because the process had gone.
        self.restarts = 0
        #: Lines that took too long, as positions.
        self.slow = 0
        self.error = ""

    @property
    def count(self) -> int:
        """How many lines were found."""
        return sum(self.counts[1:])

    def add(self, start: int, piece: bytes) -> None:
        """Take what was found of the lines from ``start`` on."""
        piece = piece[len(self.bytes) - start :] if start < len(self.bytes) else piece
        self.bytes += piece
        for value in range(1, len(self.counts)):
            self.counts[value] += piece.count(value)

    def put(self, position: int, value: int) -> bool:
        """Take what one line is now; tell whether that is new."""
        if position >= len(self.bytes) or self.bytes[position] == value:
            return False
        self.counts[self.bytes[position]] -= 1
        self.counts[value] += 1
        self.bytes[position] = value
        return True

    def cut(self, length: int) -> None:
        """Forget what was found from a line on."""
        for value in range(1, len(self.counts)):
            self.counts[value] -= self.bytes.count(value, length)
        del self.bytes[length:]


@dataclass(frozen=True)
class Condition:
    """Which lines of a column are wanted."""

    column: Column | Mask
    #: From the column's bytes to 1 for wanted lines and 0 for others; None: they are that.
    table: bytes | None = None
    #: So many neighbours of each are wanted as well.
    context: int = 0

    def mask(self, start: int, stop: int) -> bytes:
        """Return the mask of some lines, which the column must have."""
        first, last = max(0, start - self.context), stop + self.context
        part = bytes(self.column.bytes[first:last])
        if self.table is not None:
            part = part.translate(self.table)
        if self.context:
            part = widened(part, self.context)
        return part[start - first : stop - first]


def known(conditions: Sequence[Condition], lines: int, is_done: bool) -> int:
    """Return for how many lines, from the first on, all conditions can be told."""
    for condition in conditions:
        have = len(condition.column.bytes)
        lines = min(lines, have if is_done else max(0, have - condition.context))
    return lines


def combined(conditions: Sequence[Condition], start: int, stop: int) -> bytes:
    """Return the mask of the lines that meet all conditions."""
    mask = conditions[0].mask(start, stop)
    for condition in conditions[1:]:
        mask = both(mask, condition.mask(start, stop))
    return mask


def exactly(code: int) -> bytes:
    """Return the table of a column of levels for those of one."""
    return bytes(value == code for value in range(256))


def at_least(level: str) -> bytes:
    """Return the table of a column of levels for those from one level on."""
    return bytes(CODES[level] <= code < len(CODES) for code in range(256))


def total(conditions: Sequence[Condition], stop: int) -> int:
    """Return how many of the first lines meet all conditions."""
    return sum(
        combined(conditions, first, min(first + SLICE, stop)).count(1)
        for first in range(0, stop, SLICE)
    )


def step(conditions: Sequence[Condition], position: int, back: bool, lines: int) -> int | None:
    """Return the next line after a position that meets all conditions, or the one before it."""
    if back:
        for stop in range(min(position, lines), 0, -SLICE):
            start = max(0, stop - SLICE)
            found = combined(conditions, start, stop).rfind(1)
            if found >= 0:
                return start + found
        return None
    for start in range(position + 1, lines, SLICE):
        found = combined(conditions, start, min(start + SLICE, lines)).find(1)
        if found >= 0:
            return start + found
    return None
