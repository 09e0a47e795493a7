"""What a regular expression finds in the lines of a log, as a table."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .bounded import LINE_LIMIT_S, find_in_lines
from .columns import Origin, Table
from .reading import Reading


def extract(reading: Reading, pattern: str | re.Pattern[str], limit: float = LINE_LIMIT_S) -> Table:
    """Return a row for each match; see `Captured.extract`."""
    expression = compiled(pattern)
    names = column_names(expression)
    table = Table(columns={name: [] for name in names})
    for origin, matches in find_in_lines(expression, seen_lines(reading), limit):
        for groups in matches:
            table.add(origin, dict(zip(names, groups, strict=True)))
    return table


def seen_lines(reading: Reading) -> Iterator[tuple[Origin, str]]:
    """Yield the lines as they are seen, and where they are from."""
    names = reading.sources
    for block in reading.blocks():
        lines = zip(block.indices, block.times, block.sources, block.plains, strict=True)
        for index, time, source, text in lines:
            yield Origin(index + 1, time, names[source]), text


def compiled(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    """Return a pattern that a user gave, compiled.

    Raises
    ------
    TypeError
        If it is no str and no compiled expression for str.
    ValueError
        If it is no regular expression.
    """
    if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
        return pattern
    if not isinstance(pattern, str):
        raise TypeError(f"a pattern is a str or a compiled expression for str, not {pattern!r}")
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None


def column_names(expression: re.Pattern[str]) -> list[str]:
    """Return a name for each group, ``group2`` if it has none of its own; ``match`` without any."""
    if not expression.groups:
        return ["match"]
    named = {number: name for name, number in expression.groupindex.items()}
    return [named.get(i, f"group{i}") for i in range(1, expression.groups + 1)]
