"""What to look at in a log: where a pattern matches, and what is a warning or an error."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from ..cost import longest_quick
from ..levels import CODES, LevelCodes
from ..lines import content
from ..reading import Reading
from ..search import Pattern
from .excerpt import ENDS_BYTES

#: The levels that are counted and marked, and the sign of each: more than a colour.
SIGNS = {"warning": "▲", "error": "✖", "critical": "✖"}
_ERRORS = (CODES["error"], CODES["critical"])
_BATCH_LINES = 4096
#: In a longer log the levels are not counted, since a view must come at once (0.2 s for so much).
MAX_COUNTED_BYTES = 32 << 20


@dataclass(frozen=True)
class Levels:
    """What a log says of warnings and errors."""

    #: How many lines of each level; None: it is too long to count them for a view.
    counts: dict[str, int] | None = field(default_factory=dict)
    #: The position of the first error among the lines that are read; None: there is none.
    first_error: int | None = None

    def phrases(self) -> list[str]:
        """Return it in words: ``2 errors``, ``1 warning``."""
        counts = self.counts or {}
        errors = counts.get("error", 0) + counts.get("critical", 0)
        warnings = counts.get("warning", 0)
        found = ((errors, "error"), (warnings, "warning"))
        return [
            f"{SIGNS[noun]} {count:,} {noun}{'' if count == 1 else 's'}"
            for count, noun in found
            if count
        ]


def levels_of(reading: Reading) -> Levels:
    """Return what a log says of warnings and errors, if it is short enough."""
    if len(reading.lines.snapshot) > MAX_COUNTED_BYTES:
        return Levels(None)
    codes = LevelCodes(reading.sight)
    counts = Counter[int]()
    first_error = None
    for first, lines in _lines_of(reading):
        found = codes.of_lines(lines)
        counts.update(found)
        if first_error is None and any(error in found for error in _ERRORS):
            first_error = first + next(i for i, code in enumerate(found) if code in _ERRORS)
    return Levels({level: counts[CODES[level]] for level in SIGNS}, first_error)


def _lines_of(reading: Reading) -> Iterator[tuple[int, list[bytes]]]:
    """Yield lines, many at a time, with the position of the first; of long ones the ends alone."""
    if reading.whole:
        for batch in reading.lines.batches():
            lines = batch.whole_lines()
            if batch.begun:
                lines.append(batch.ends_of_cut_line(ENDS_BYTES)[0].removesuffix(b"\n"))
            yield batch.first, lines
        return
    rows = reading.lines.read(reading.indices, ENDS_BYTES)
    for first in range(0, len(reading.indices), _BATCH_LINES):
        yield first, [content(row.raw) for row in islice(rows, _BATCH_LINES)]


def compiled(pattern: Pattern, ignore_case: bool) -> Pattern:
    """Return a pattern of `Captured.grep` as one that finds the same in a text."""
    if isinstance(pattern, bytes):
        pattern = pattern.decode("utf-8", "replace")
    if isinstance(pattern, str):
        return re.compile(re.escape(pattern), re.IGNORECASE if ignore_case else 0)
    if ignore_case:
        return re.compile(pattern.pattern, pattern.flags | re.IGNORECASE)
    return pattern


def spans(text: str, marks: Iterable[Pattern]) -> list[tuple[int, int]]:
    """Return where a text is to be marked: ascending, and apart.

    Of an expression its first match alone, and none where to find it may take for ever.
    """
    found: list[tuple[int, int]] = []
    for mark in marks:
        if not isinstance(mark, re.Pattern):
            continue
        if isinstance(mark.pattern, bytes) or len(text) > longest_quick(mark):
            continue  # it is of bytes, which are not seen; or it takes too long
        match = mark.search(text)
        if match is not None and match.end() > match.start():
            found.append(match.span())
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(found):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
        else:
            joined.append((start, stop))
    return joined
