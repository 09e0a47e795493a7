"""What to look for in lines: a text, bytes, an expression or a level.

Text and expressions of text are looked for in lines as they are seen (`seen`), bytes and
expressions of bytes in what was written. A search tells of one line whether it matches, which is
what it means; and it finds the matches among many lines at once, which is fast. `finding` takes
it through a whole log.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import compress, repeat
from operator import contains
from typing import Any, Protocol

from .bounded import BoundedSearch
from .cost import UNLIMITED
from .levels import READ_BYTES, LevelFinder, levels_meant
from .lines import contents_of, has_longer_line
from .literals import required_literals
from .seen import Sight, as_seen, is_special
from .view.ansi import WIDEST_COLUMNS

Pattern = str | bytes | re.Pattern[str] | re.Pattern[bytes]

#: The pieces of a very long line overlap by this: an expression that matches no more is found
#: wherever it is.
OVERLAP_BYTES = 1 << 16


class Search(Protocol):
    """What to look for in lines."""

    #: Whether it looks for no more than some characters, which takes no time to speak of.
    is_literal: bool
    #: How long what it finds may be, in bytes: the pieces of a very long line overlap by so much.
    overlap: int
    #: Which of the lines that were looked through last took too long, counted from 0.
    slow: Sequence[int]

    def matches(self, line: bytes) -> bool:
        """Tell whether a line, without its line end, matches."""

    def matches_pieces(self, pieces: Callable[[], Iterator[bytes]]) -> bool:
        """Tell the same of a line too long to be held, given what yields it piece by piece."""

    def find(self, body: bytes) -> Sequence[int]:
        r"""Return which lines match, counted from 0; each of them ends with ``\n``."""


def compile_search(
    pattern: Pattern,
    ignore_case: bool,
    encoding: str,
    errors: str,
    bounded: BoundedSearch | None = None,
) -> Search:
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
    bounded
        What searches with the expression; it passes over lines that take too long. None: each
        line takes as long as it takes.

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
    pattern = with_case(pattern, ignore_case)
    if isinstance(pattern.pattern, bytes):
        return _BytesExpression(pattern, bounded)
    return _TextExpression(pattern, sight, bounded)


def with_case(pattern: re.Pattern[Any], ignore_case: bool) -> re.Pattern[Any]:
    """Return an expression, or the same for upper and lower case alike."""
    return re.compile(pattern.pattern, pattern.flags | re.IGNORECASE) if ignore_case else pattern


def search_for_level(level: str, encoding: str, errors: str) -> Search:
    """Return a search for lines of a level or worse; of ``=level``, for those of it alone.

    Raises `ValueError` if there is no such level.
    """
    return _Levels(levels_meant(level), LevelFinder(Sight(encoding, errors)))


def both(first: Search, second: Search) -> Search:
    """Return a search for lines that match both."""
    return _Both(first, second)


class _Literal:
    is_literal = True
    overlap = OVERLAP_BYTES
    slow: Sequence[int] = ()

    def matches(self, line: bytes) -> bool:
        raise NotImplementedError

    def matches_pieces(self, pieces: Callable[[], Iterator[bytes]]) -> bool:
        return any(map(self.matches, pieces()))


#: What most logs are made of, the most frequent first; any other character is rarer.
_FREQUENT = b" e0ti1nar2osl3dc456789.pmhu:g,-=f+_b/vykx()wE[]TSA"
#: So many characters of a text are looked for before the text is.
_MOST_SIGNS = 4


class _Bytes(_Literal):
    def __init__(self, needle: bytes, ignore_case: bool) -> None:
        self._ignore_case = ignore_case
        self._needle = needle.lower() if ignore_case else needle
        self.overlap = len(needle)
        signs = [bytes([value]) for value in _rarest(self._needle)]
        self._signs = [(sign, sign.upper() if ignore_case else sign) for sign in signs]

    def matches(self, line: bytes) -> bool:
        return self._needle in (line.lower() if self._ignore_case else line)

    def find(self, body: bytes) -> Sequence[int]:
        for sign, other in self._signs:  # a hundredth of the time that the text takes
            if sign not in body and other not in body:
                return ()
        if self._ignore_case:
            body = body.lower()
        if self._needle not in body:
            return ()
        if self._needle.endswith(b"\r"):  # such a line end is no part of the line
            return _positions(self._needle, contents_of(body))
        text = self._needle.decode("latin-1")  # "in" is four times as fast as in bytes
        return _positions(text, _lines_of(body.decode("latin-1")))


def _rarest(needle: bytes) -> list[int]:
    """Return a few characters of a text, those that are rarest in logs."""
    ranks = {value: _FREQUENT.find(value) % 256 for value in needle}  # 255: it is not frequent
    return sorted(ranks, key=ranks.__getitem__, reverse=True)[:_MOST_SIGNS]


class _Text(_Literal):
    def __init__(self, text: str, ignore_case: bool, sight: Sight) -> None:
        self._has = _occurrence(text, ignore_case)
        self._as_written = is_special(text)
        self._sight = sight if "\ufffd" in text else sight.lenient()
        needle = self._sight.bytes_of(text) if text.isascii() or not ignore_case else None
        self._bytes = None if needle is None else _Bytes(needle, ignore_case)
        self.overlap = OVERLAP_BYTES + 4 * len(text)

    def matches(self, line: bytes) -> bool:
        text = self._sight.text(line)
        return self._has(text if self._as_written else as_seen(text))

    def find(self, body: bytes) -> Sequence[int]:
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


def _positions(needle: Any, lines: list[Any]) -> Sequence[int]:
    """Return which lines hold a text; there is no faster loop in Python."""
    return list(compress(range(len(lines)), map(contains, lines, repeat(needle))))


def _occurrence(text: str, ignore_case: bool) -> Callable[[str], bool]:
    """Return what tells whether a text occurs in a line."""
    if not ignore_case:
        return lambda line: text in line
    if not text.isascii():
        search = re.compile(re.escape(text), re.IGNORECASE).search
        return lambda line: search(line) is not None
    needle = text.lower().encode()  # of ASCII letters alone, as in bytes
    return lambda line: needle in line.encode("utf-8", "surrogatepass").lower()


class _Expression:
    is_literal = False
    overlap = OVERLAP_BYTES

    def __init__(self, pattern: re.Pattern[Any], bounded: BoundedSearch | None) -> None:
        self._pattern = pattern
        self._bounded = bounded
        self._longest_here = UNLIMITED if bounded is None else bounded.longest_here
        self.slow: Sequence[int] = ()

    def _text(self, line: bytes) -> Any:
        """Return what of a line is searched."""
        raise NotImplementedError

    def matches(self, line: bytes) -> bool:
        self.slow = ()
        text = self._text(line)
        if self._bounded is None or len(text) <= self._longest_here:
            return self._pattern.search(text) is not None
        found, self.slow = self._bounded.matching([text])
        return bool(found)

    def matches_pieces(self, pieces: Callable[[], Iterator[bytes]]) -> bool:
        for piece in pieces():
            if self.matches(piece):
                return True
            if self.slow:  # the time of the line is over
                return False
        return False

    def _search(self, lines: list[Any], longest: int) -> Sequence[int]:
        """Return which lines match, given how long each is at most."""
        self.slow = ()
        if self._bounded is None or longest <= self._longest_here:
            return list(compress(range(len(lines)), map(self._pattern.search, lines)))
        found, self.slow = self._bounded.matching(lines)
        return found


class _BytesExpression(_Expression):
    def __init__(self, pattern: re.Pattern[bytes], bounded: BoundedSearch | None) -> None:
        super().__init__(pattern, bounded)
        self._literals = [text.encode("latin-1") for text in required_literals(pattern)]

    def _text(self, line: bytes) -> bytes:
        return line

    def find(self, body: bytes) -> Sequence[int]:
        self.slow = ()
        if _rules_out(self._pattern, self._literals, body):
            return ()
        return self._search(contents_of(body), _longest(body, self._longest_here))


class _TextExpression(_Expression):
    def __init__(
        self, pattern: re.Pattern[str], sight: Sight, bounded: BoundedSearch | None
    ) -> None:
        super().__init__(pattern, bounded)
        self._sight = sight
        literals = required_literals(pattern)
        is_one = len(literals) == 1 and not pattern.flags & re.IGNORECASE
        self._literal = literals[0] if is_one else None
        encoded = [sight.bytes_of(text) for text in literals]
        self._encoded = [] if None in encoded else [text for text in encoded if text is not None]

    def _text(self, line: bytes) -> str:
        return as_seen(self._sight.text(line))

    def find(self, body: bytes) -> Sequence[int]:
        self.slow = ()
        if _rules_out(self._pattern, self._encoded, body) and self._sight.is_plain_body(body):
            return ()
        lines = _lines_of(self._sight.seen_body(body))
        longest = _longest(body, self._longest_here)
        if self._literal is None:
            return self._search(lines, longest)
        # To look for a literal takes a tenth of the time of a search.
        candidates: Sequence[int] = _positions(self._literal, lines)
        if len(candidates) == len(lines):
            return self._search(lines, longest)
        found = self._search([lines[i] for i in candidates], longest)
        self.slow = list(map(candidates.__getitem__, self.slow))
        return list(map(candidates.__getitem__, found))


def _lines_of(text: str) -> list[str]:
    lines = text.split("\n")
    lines.pop()
    return lines


def _longest(body: bytes, enough: int) -> int:
    """Return a length that no line is longer than, as seen: ``enough`` if none is longer than it.

    A line as it is seen is no longer than its bytes, but for what is spelled (``\\x1b``) and for
    moves to the right.
    """
    most = enough
    if b"\x1b" in body or not body.isascii():
        most = max(enough // 4 - WIDEST_COLUMNS, 0)
    return max(len(body), enough + 1) if has_longer_line(body, most) else enough


def _rules_out(pattern: re.Pattern[Any], literals: Sequence[bytes], body: bytes) -> bool:
    """Tell whether an expression cannot match, since it needs one of some literals."""
    if not literals:
        return False
    if pattern.flags & re.IGNORECASE:
        if not body.isascii():
            return False
        body = body.lower()
    return not any(literal in body for literal in literals)


class _Levels(_Literal):
    def __init__(self, wanted: frozenset[str], finder: LevelFinder) -> None:
        self._wanted = wanted
        self._finder = finder

    def matches(self, line: bytes) -> bool:
        return self._finder.level(line) in self._wanted

    def matches_pieces(self, pieces: Callable[[], Iterator[bytes]]) -> bool:
        """Look at the start, which says it, and at the end, which may have been drawn over it."""
        some = pieces()
        ends = next(some, b"")[:READ_BYTES]
        for last in deque(some, 1):
            ends += last[-READ_BYTES:]
        return self.matches(ends)

    def find(self, body: bytes) -> Sequence[int]:
        wanted = self._wanted
        return [i for i, level in enumerate(self._finder.levels(body)) if level in wanted]


class _Both:
    def __init__(self, first: Search, second: Search) -> None:
        self.is_literal = first.is_literal and second.is_literal
        self.overlap = max(first.overlap, second.overlap)
        self.slow: Sequence[int] = ()
        self._first = first
        self._second = second

    def matches(self, line: bytes) -> bool:
        return self._are(lambda search: search.matches(line))

    def matches_pieces(self, pieces: Callable[[], Iterator[bytes]]) -> bool:
        return self._are(lambda search: search.matches_pieces(pieces))

    def _are(self, match: Callable[[Search], bool]) -> bool:
        self.slow = ()
        for search in (self._second, self._first):
            found = match(search)
            self.slow = self.slow or search.slow
            if not found:
                return False
        return True

    def find(self, body: bytes) -> Sequence[int]:
        found = self._first.find(body)
        self.slow = self._first.slow
        if not found:
            return ()
        lines = body.split(b"\n")
        among = self._second.find(b"".join([lines[i] + b"\n" for i in found]))
        self.slow = sorted({*self.slow, *(found[i] for i in self._second.slow)})
        return [found[i] for i in among]
