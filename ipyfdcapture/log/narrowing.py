"""Which lines a narrower view holds: each function returns numbers of lines, ascending.

They are indices into the whole log, counted from 0, whatever was narrowed before.
"""

from __future__ import annotations

import contextlib
import re
from array import array
from collections.abc import Callable, Sequence
from typing import Literal

from ..recording.sources import without_origin
from .bounded import LINE_LIMIT_S, BoundedSearch, warn_of_pieces, warn_of_slow
from .entries import entry_positions
from .finding import Remarks, find, with_context
from .lines import Row, joined
from .reading import Reading
from .search import Pattern, both, compile_search, search_for_level, with_case
from .timing import ranges_between

#: The sources whose text is ``stdout``: with ``merge``, both streams come by one pipe.
STDOUT = ("stdout", "stdout+stderr")


def matching(
    reading: Reading,
    pattern: Pattern | None,
    ignore_case: bool,
    source: str | None,
    context: int | Literal["entry"],
    level: str | None,
) -> Sequence[int]:
    """Return the lines that match; see `Captured.grep`."""
    remarks = Remarks()
    with contextlib.ExitStack() as stack:
        searches = []
        if pattern is not None:
            bounded = None
            if isinstance(pattern, re.Pattern):
                pattern, ignore_case = with_case(pattern, ignore_case), False
                bounded = stack.enter_context(BoundedSearch(pattern, LINE_LIMIT_S))
            searches.append(
                compile_search(pattern, ignore_case, reading.encoding, reading.errors, bounded)
            )
        if level is not None:
            searches.append(search_for_level(level, reading.encoding, reading.errors))
        if not searches:
            raise TypeError("grep needs a pattern, or a level")
        search = searches[0] if len(searches) == 1 else both(*searches)
        wanted = None if source is None else sources_named(reading, source)
        positions = find(reading.lines, reading.indices, search, wanted, remarks)
        if context == "entry":
            heads = with_context(positions, 0, 0)
            found = with_context(entry_positions(reading, heads), 0, 0)
        else:
            found = with_context(positions, context, len(reading.indices))
    if isinstance(pattern, re.Pattern):
        warn_of_slow(pattern, [nth + 1 for nth in remarks.slow], LINE_LIMIT_S)
        warn_of_pieces(pattern, [nth + 1 for nth in remarks.in_pieces])
    return _at(found, reading)


def of_sources(reading: Reading, wanted: set[int]) -> Sequence[int]:
    """Return the lines of some sources, given by their numbers."""
    if reading.whole:
        return joined(reading.lines.ranges_by_source(wanted))
    return _where(lambda row: row.source in wanted, reading)


def between(reading: Reading, first: int, last: int) -> Sequence[int]:
    """Return the lines recorded from ``first`` to ``last``, in µs since the epoch."""
    if reading.whole:
        return joined(ranges_between(reading.lines, first, last))
    return _where(lambda row: first <= row.time // 1000 <= last, reading)


def sources_named(reading: Reading, name: str) -> set[int]:
    """Return the numbers of the sources that a name, or a label, stands for.

    Raises
    ------
    TypeError
        If the name is no str.
    ValueError
        If the log has no such source; ``stdout`` and ``stderr`` may be missing.
    """
    if not isinstance(name, str):
        raise TypeError(f"a source is named by a str, not {name!r}")
    names = STDOUT if name == "stdout" else (name,)
    found = {
        number
        for number, source in enumerate(reading.sources)
        if source in names or source.startswith(f"{name}/")
    }
    if not found and name not in ("stdout", "stderr"):
        raise ValueError(f"no source {name!r} in this log; it has {', '.join(reading.sources)}")
    return found


def sources_of_stream(reading: Reading, names: tuple[str, ...]) -> set[int]:
    """Return the numbers of the sources that are stdout, or stderr.

    In a log that has labelled children alone, theirs. What a process writes that was kept from an
    earlier cell counts as if it were written by this one.
    """
    sources = list(map(without_origin, reading.sources))
    if all("/" in source for source in sources):
        ending = f"/{names[0]}"
        return {n for n, source in enumerate(sources) if source.endswith(ending)}
    return {n for n, source in enumerate(sources) if source in names}


def checked_context(context: int | str) -> int | Literal["entry"]:
    """Return how many neighbours, or "entry". Raises `TypeError` or `ValueError` if it is none."""
    if context == "entry":
        return "entry"
    if isinstance(context, str):
        raise ValueError(f"a context is a number of lines or 'entry', not {context!r}")
    return checked_count(context)


def checked_count(n: int) -> int:
    """Return a number of lines. Raises `TypeError` or `ValueError` if it is none."""
    if not isinstance(n, int):
        raise TypeError(f"a number of lines is an int, not {n!r}")
    if n < 0:
        raise ValueError(f"a number of lines is 0 or more, not {n}")
    return n


def _where(wanted: Callable[[Row], bool], reading: Reading) -> Sequence[int]:
    positions = ((i,) for i, row in enumerate(reading.rows()) if wanted(row))
    return _at(with_context(positions, 0, 0), reading)


def _at(positions: Sequence[int], reading: Reading) -> Sequence[int]:
    """Return the lines at some positions of what is read."""
    indices = reading.indices
    if isinstance(positions, range):
        return indices[positions.start : positions.stop]
    if indices == range(len(indices)):
        return positions
    return array("I", map(indices.__getitem__, positions))
