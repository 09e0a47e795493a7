"""What a regular expression finds in the lines of a log, as a table."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .bounded import LINE_LIMIT_S, find_in_lines, warn_of_pieces, warn_of_slow
from .columns import Origin, Table
from .finding import PIECE_BYTES
from .reading import Reading
from .seen import as_seen

#: What may stand where a very long line is cut: no number and no word is.
_BETWEEN_WORDS = " \t\r,;"
#: No word is longer.
_LONGEST_WORD = 1 << 16


def extract(reading: Reading, pattern: str | re.Pattern[str], limit: float = LINE_LIMIT_S) -> Table:
    """Return a row for each match; see `Captured.extract`."""
    expression = compiled(pattern)
    names = column_names(expression)
    table = Table(columns={name: [] for name in names})
    slow: list[int] = []
    in_pieces: list[int] = []
    lines = _seen_lines(reading, in_pieces)
    for origin, matches in find_in_lines(expression, lines, limit, slow):
        for groups in matches:
            table.add(origin, dict(zip(names, groups, strict=True)))
    warn_of_slow(expression, slow, limit)
    warn_of_pieces(expression, in_pieces)
    return table


def _seen_lines(reading: Reading, in_pieces: list[int]) -> Iterator[tuple[Origin, str]]:
    """Yield the lines as they are seen, and where they are from.

    One longer than `PIECE_BYTES` comes in pieces, and ``in_pieces`` takes its number.
    """
    names = reading.sources
    for block in reading.blocks(PIECE_BYTES // 2):
        lines = zip(block.indices, block.times, block.sources, block.plains, strict=True)
        for index, time, source, text in lines:
            origin = Origin(index + 1, time, names[source])
            if block.left_out and index == block.indices[-1]:
                in_pieces.append(origin.number)
                yield from ((origin, piece) for piece in _pieces(reading, index))
            else:
                yield origin, text


def _pieces(reading: Reading, index: int) -> Iterator[str]:
    """Yield a line piece by piece, each as it is seen, cut between words."""
    text = ""
    for raw in reading.lines.pieces_of_line(index, PIECE_BYTES):
        if text:
            cut = 1 + max(text.rfind(sign, -_LONGEST_WORD) for sign in _BETWEEN_WORDS)
            cut = cut or len(text)
            yield text[:cut]
            text = text[cut:]
        text += as_seen(reading.decode(raw))
    yield text


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
