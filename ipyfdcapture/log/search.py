"""Find lines: what a pattern means, and how to look for it in a large log.

Text and expressions of text are looked for in lines as they are seen (`seen`), bytes and
expressions of bytes in what was written. A search tells of one line whether it matches, which is
what it means; and it finds the matches among many lines at once, which is fast.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from .levels import LevelFinder, levels_meant
from .lines import Lines, content, contents_of
from .literals import required_literals
from .seen import Sight, as_seen, is_special

Pattern = str | bytes | re.Pattern[str] | re.Pattern[bytes]


class Search(Protocol):
    """What to look for in lines."""

    #: Whether it looks for no more than some characters, which takes no time to speak of.
    is_literal: bool

    def matches(self, line: bytes) -> bool:
        """Tell whether a line, without its line end, matches."""

    def find(self, body: bytes) -> Iterable[int]:
        r"""Return which lines match, counted from 0; each of them ends with ``\n``."""


def compile_search(pattern: Pattern, ignore_case: bool, encoding: str, errors: str) -> Search:
    """Return what to look for.

    Parameters
    ----------
    pattern
        ``str`` and ``bytes`` are looked for as they are; a compiled expression is searched for
        in each line. Text is looked for in lines as they are seen, unless it holds what nothing
        seen can hold, such as an escape character; bytes in what was written.
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
        return _Bytes(pattern, ignore_case)
    sight = Sight(encoding, errors)
    if isinstance(pattern, str):
        return _Text(pattern, ignore_case, sight)
    if not isinstance(pattern, re.Pattern):
        raise TypeError(
            f"a pattern is str, bytes or a compiled regular expression, not {pattern!r}"
        )
    if ignore_case:
        pattern = re.compile(pattern.pattern, pattern.flags | re.IGNORECASE)
    if isinstance(pattern.pattern, bytes):
        return _BytesExpression(pattern)
    return _TextExpression(pattern, sight)


def search_for_level(level: str, encoding: str, errors: str) -> Search:
    """Return a search for lines of a level or worse; of ``=level``, for those of it alone.

    Raises `ValueError` if there is no such level.
    """
    return _Levels(levels_meant(level), LevelFinder(Sight(encoding, errors)))


def both(first: Search, second: Search) -> Search:
    """Return a search for lines that match both."""
    return _Both(first, second)


class _Bytes:
    is_literal = True

    def __init__(self, needle: bytes, ignore_case: bool) -> None:
        self._ignore_case = ignore_case
        self._needle = needle.lower() if ignore_case else needle

    def matches(self, line: bytes) -> bool:
        return self._needle in (line.lower() if self._ignore_case else line)

    def find(self, body: bytes) -> Iterable[int]:
        if self._ignore_case:
            body = body.lower()
        if self._needle not in body:
            return ()
        if self._needle.endswith(b"\r"):  # such a line end is no part of the line
            return [i for i, line in enumerate(contents_of(body)) if self._needle in line]
        text = self._needle.decode("latin-1")  # "in" is four times as fast as in bytes
        lines = body.decode("latin-1").split("\n")
        lines.pop()
        return [i for i, line in enumerate(lines) if text in line]


class _Text:
    is_literal = True

    def __init__(self, text: str, ignore_case: bool, sight: Sight) -> None:
        self._has = _occurrence(text, ignore_case)
        self._as_written = is_special(text)
        self._sight = sight if "\ufffd" in text else sight.lenient()
        needle = self._sight.bytes_of(text) if text.isascii() or not ignore_case else None
        self._bytes = None if needle is None else _Bytes(needle, ignore_case)

    def matches(self, line: bytes) -> bool:
        text = self._sight.text(line)
        return self._has(text if self._as_written else as_seen(text))

    def find(self, body: bytes) -> Iterable[int]:
        if self._bytes and (self._as_written or self._sight.is_plain_body(body)):
            return self._bytes.find(body)
        if self._as_written:
            texts = self._sight.texts(contents_of(body))
        else:
            text = self._sight.seen_body(body)
            if not self._has(text):
                return ()
            texts = _lines_of(text)
        return [i for i, text in enumerate(texts) if self._has(text)]


def _occurrence(text: str, ignore_case: bool) -> Callable[[str], bool]:
    """Return what tells whether a text occurs in a line."""
    if not ignore_case:
        return lambda line: text in line
    if not text.isascii():
        search = re.compile(re.escape(text), re.IGNORECASE).search
        return lambda line: search(line) is not None
    needle = text.lower().encode()  # of ASCII letters alone, as in bytes
    return lambda line: needle in line.encode("utf-8", "surrogatepass").lower()


class _BytesExpression:
    is_literal = False

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self._pattern = pattern
        self._literals = [text.encode("latin-1") for text in required_literals(pattern)]

    def matches(self, line: bytes) -> bool:
        return self._pattern.search(line) is not None

    def find(self, body: bytes) -> Iterable[int]:
        if _rules_out(self._pattern, self._literals, body):
            return ()
        return _matching(self._pattern, self._literals, contents_of(body))


class _TextExpression:
    is_literal = False

    def __init__(self, pattern: re.Pattern[str], sight: Sight) -> None:
        self._pattern = pattern
        self._sight = sight
        self._literals = required_literals(pattern)
        encoded = [sight.bytes_of(text) for text in self._literals]
        self._encoded = [] if None in encoded else [text for text in encoded if text is not None]

    def matches(self, line: bytes) -> bool:
        return self._pattern.search(as_seen(self._sight.text(line))) is not None

    def find(self, body: bytes) -> Iterable[int]:
        if _rules_out(self._pattern, self._encoded, body) and self._sight.is_plain_body(body):
            return ()
        return _matching(self._pattern, self._literals, _lines_of(self._sight.seen_body(body)))


def _lines_of(text: str) -> list[str]:
    lines = text.split("\n")
    lines.pop()
    return lines


def _rules_out(pattern: re.Pattern[Any], literals: Sequence[bytes], body: bytes) -> bool:
    """Tell whether an expression cannot match, since it needs one of some literals."""
    if not literals:
        return False
    if pattern.flags & re.IGNORECASE:
        if not body.isascii():
            return False
        body = body.lower()
    return not any(literal in body for literal in literals)


def _matching(pattern: re.Pattern[Any], literals: Sequence[Any], lines: list[Any]) -> list[int]:
    search = pattern.search
    if len(literals) == 1 and isinstance(literals[0], str) and not pattern.flags & re.IGNORECASE:
        literal = literals[0]  # to look for it takes a tenth of the time of a search; not in bytes
        return [i for i, line in enumerate(lines) if literal in line and search(line)]
    return [i for i, line in enumerate(lines) if search(line)]


class _Levels:
    is_literal = True

    def __init__(self, wanted: frozenset[str], finder: LevelFinder) -> None:
        self._wanted = wanted
        self._finder = finder

    def matches(self, line: bytes) -> bool:
        return self._finder.level(line) in self._wanted

    def find(self, body: bytes) -> Iterable[int]:
        wanted = self._wanted
        return [i for i, level in enumerate(self._finder.levels(body)) if level in wanted]


class _Both:
    def __init__(self, first: Search, second: Search) -> None:
        self.is_literal = first.is_literal and second.is_literal
        self._first = first
        self._second = second

    def matches(self, line: bytes) -> bool:
        return self._first.matches(line) and self._second.matches(line)

    def find(self, body: bytes) -> Iterable[int]:
        found = self._first.find(body)
        if not found:
            return ()
        lines = contents_of(body)
        return [i for i in found if self._second.matches(lines[i])]


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
    for batch in lines.batches(selection.start, selection.stop):
        if sources is not None and batch.source is not None and batch.source not in sources:
            continue
        skipped = max(selection.start - batch.first, 0)
        to_the_end = selection.stop == len(lines)
        stop = len(batch.body) if to_the_end else selection.stop - batch.first
        body = _part(batch.body, skipped, stop)
        found = list(search.find(body)) if body else []
        if batch.begun and batch.first < selection.stop and search.matches(content(batch.tail())):
            last = batch.count - 1
            if batch.first + last in selection:
                found.append(last - skipped)
        if found and sources is not None and batch.source is None:
            origins = lines.origins(batch)[0]
            found = [i for i in found if origins[skipped + i] in sources]
        if found:
            first = batch.first + skipped - selection.start
            yield [first + i for i in found]


def _part(body: bytes, start: int, stop: int) -> bytes:
    """Return the lines ``start`` .. ``stop`` of some that each end with a newline."""
    if start == 0 and (stop >= len(body) or stop >= body.count(b"\n")):
        return body
    lines = body.split(b"\n")
    lines.pop()
    return b"".join([line + b"\n" for line in lines[start : max(stop, 0)]])


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
