"""Find lines: what a pattern means, and how to look for it in a large log."""

from __future__ import annotations

import codecs
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .levels import checked_level, level_of
from .lines import Lines, content

#: Encodings in which a text occurs in a line exactly where its bytes do.
_PLAIN_ENCODINGS = ("utf-8", "ascii", "iso8859-1")

Pattern = str | bytes | re.Pattern[str] | re.Pattern[bytes]


@dataclass(frozen=True)
class Search:
    """What to look for in the bytes of lines."""

    #: Tells whether a line, without its line end, matches.
    matches: Callable[[bytes], bool]
    #: If not None, a line matches exactly if it has these bytes, so that most of a log can be
    #: passed over without cutting it into lines.
    needle: bytes | None = None
    #: Look for `needle` whatever the case of ASCII letters.
    ignore_case: bool = False


def search_for_level(level: str) -> Search:
    """Return a search for the lines of a level. Raises `ValueError` if there is no such level."""
    wanted = checked_level(level)
    return Search(lambda line: level_of(line) == wanted)


def both(first: Search, second: Search) -> Search:
    """Return a search for lines that match both."""
    return Search(lambda line: first.matches(line) and second.matches(line))


def compile_search(pattern: Pattern, ignore_case: bool, encoding: str, errors: str) -> Search:
    """Return what to look for.

    Parameters
    ----------
    pattern
        ``str`` and ``bytes`` are looked for as they are; a compiled expression is searched for
        in each line, in its text or its bytes as it was made for.
    ignore_case
        Take upper and lower case as the same.
    encoding, errors
        Those of the log, as for `bytes.decode`.

    Raises
    ------
    TypeError
        If the pattern is anything else.
    """
    if isinstance(pattern, bytes):
        return _search_bytes(pattern, ignore_case)
    if isinstance(pattern, str):
        return _search_text(pattern, ignore_case, encoding, errors)
    if not isinstance(pattern, re.Pattern):
        raise TypeError(
            f"a pattern is str, bytes or a compiled regular expression, not {pattern!r}"
        )
    if ignore_case:
        pattern = re.compile(pattern.pattern, pattern.flags | re.IGNORECASE)
    if isinstance(pattern.pattern, bytes):
        search_bytes: Callable[[bytes], object] = pattern.search
        return Search(lambda line: search_bytes(line) is not None)
    search_text: Callable[[str], object] = pattern.search
    return Search(lambda line: search_text(line.decode(encoding, errors)) is not None)


def _search_bytes(needle: bytes, ignore_case: bool) -> Search:
    if ignore_case:
        needle = needle.lower()
    search = Search(
        lambda line: needle in (line.lower() if ignore_case else line), needle, ignore_case
    )
    if needle.endswith(b"\r"):  # such a line end is no part of the line
        return Search(search.matches)
    return search


def _search_text(text: str, ignore_case: bool, encoding: str, errors: str) -> Search:
    plain = (
        codecs.lookup(encoding).name in _PLAIN_ENCODINGS
        and errors in ("strict", "replace")
        and "\ufffd" not in text  # may stand for bad bytes
        and (text.isascii() or not ignore_case)
    )
    if plain:
        try:
            return _search_bytes(text.encode(encoding), ignore_case)
        except UnicodeEncodeError:
            return Search(lambda line: False)
    if ignore_case:
        expression = re.compile(re.escape(text), re.IGNORECASE)
        return compile_search(expression, False, encoding, errors)
    return Search(lambda line: text in line.decode(encoding, errors))


def find(
    lines: Lines, selection: Sequence[int], search: Search, sources: set[int] | None = None
) -> Iterator[Sequence[int]]:
    """Look through some lines.

    Parameters
    ----------
    lines
        The log.
    selection
        The indices of the lines to look at.
    search
        What to look for.
    sources
        Only lines of these sources match; None for all.

    Yields
    ------
    Sequence
        Positions in ``selection``, ascending; many at a time.
    """
    if isinstance(selection, range) and selection.step == 1:
        yield from _find_in_range(lines, selection, search, sources)
        return
    for position, row in enumerate(lines.read(selection)):
        if (sources is None or row.source in sources) and search.matches(content(row.raw)):
            yield (position,)


def _find_in_range(
    lines: Lines, selection: range, search: Search, sources: set[int] | None
) -> Iterator[list[int]]:
    needle, matches = search.needle, search.matches
    text = (needle or b"").decode("latin-1")
    for batch in lines.batches(selection.start, selection.stop):
        if sources is not None and batch.source not in sources:
            continue
        body, tail = batch.body, b""
        if needle is not None:
            tail = batch.tail()
            if search.ignore_case:
                body, tail = body.lower(), tail.lower()
            if needle not in body and needle not in tail:
                continue
        skipped = max(0, selection.start - batch.first)
        wanted = slice(skipped, max(0, selection.stop - batch.first))
        first = batch.first + skipped - selection.start
        if needle is None:
            contents = enumerate(batch.contents()[wanted], first)
            yield [position for position, line in contents if matches(line)]
        else:  # as str, "in" is four times as fast as in bytes
            texts = (body + tail).decode("latin-1").split("\n")
            if not texts[-1]:
                texts.pop()
            texts = texts[wanted]
            yield [position for position, line in enumerate(texts, first) if text in line]


def with_context(positions: Iterator[Sequence[int]], context: int, count: int) -> Sequence[int]:
    """Return positions together with up to ``context`` neighbours on either side, of ``count``."""
    found = array("I")
    following = 0
    for some in positions:
        if not context:
            found.extend(some)
            continue
        for position in some:
            stop = min(position + context + 1, count)
            found.extend(range(max(position - context, following), stop))
            following = stop
    if found and found[-1] - found[0] + 1 == len(found):
        return range(found[0], found[-1] + 1)
    return found
