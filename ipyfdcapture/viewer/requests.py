"""What a browser may ask for, checked: its messages are as hostile as anything.

Each request is a frozen object of its kind; `parse` makes one of a message, or says in one line
what is wrong with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..log.levels import LEVELS

#: No log has more lines (numbers of lines are held in 32 bits).
MOST_LINES = (1 << 32) - 1
#: At most so many rows a request.
MOST_ROWS = 1_000
MOST_PATTERN = 10_000
MOST_PATTERNS = 20
MOST_CONTEXT = 1_000
MOST_BUCKETS = 1_000
MOST_SOURCES = 100_000
#: Seconds from the start: some 100 years.
MOST_SECONDS = 1e10


class BadRequest(ValueError):
    """A message that is no request."""


@dataclass(frozen=True)
class Pattern:
    """What to look for."""

    text: str
    regex: bool = False
    case: bool = False


@dataclass(frozen=True)
class Info:
    """What is it, and how does it begin?"""


@dataclass(frozen=True)
class Status:
    """How is it?"""


@dataclass(frozen=True)
class Rows:
    """Give shown lines."""

    start: int
    count: int


@dataclass(frozen=True)
class Line:
    """Give a line whole."""

    number: int


@dataclass(frozen=True)
class Text:
    """Give the text of shown lines, as much as one answer takes."""

    start: int
    stop: int


@dataclass(frozen=True)
class SearchFor:
    """Look for something; for nothing any more (None)."""

    pattern: Pattern | None


@dataclass(frozen=True)
class Step:
    """Where is the next or the previous match, or line of a level?"""

    what: str
    start: int
    back: bool
    level: str


@dataclass(frozen=True)
class Filter:
    """Show these lines alone."""

    level: str | None = None
    sources: tuple[int, ...] | None = None
    exclude: tuple[Pattern, ...] = ()
    within: tuple[Pattern, ...] = ()
    #: Show only matches of the search, and so many lines around each.
    only: bool = False
    context: int = 0
    #: Seconds since the start.
    first: float | None = None
    last: float | None = None


@dataclass(frozen=True)
class Marks:
    """Where, in so many parts of what is shown, are matches and serious lines?"""

    buckets: int


@dataclass(frozen=True)
class Locate:
    """Where is a line, or a moment?"""

    number: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Follow:
    """Send the last lines along as the log grows."""

    on: bool


@dataclass(frozen=True)
class Select:
    """These shown lines are marked."""

    start: int
    stop: int


@dataclass(frozen=True)
class Spans:
    """Where does the expression match in these texts?"""

    texts: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Bye:
    """The view is gone."""


Request = (
    Info
    | Status
    | Rows
    | Line
    | Text
    | SearchFor
    | Step
    | Filter
    | Marks
    | Locate
    | Follow
    | Select
    | Spans
    | Bye
)


def parse(message: Mapping[str, Any]) -> Request:
    """Return the request that a message is. Raises `BadRequest`."""
    kind = message.get("do")
    if not isinstance(kind, str) or kind not in _PARSERS:
        raise BadRequest(f"a request is one of {', '.join(_PARSERS)}, not {kind!r:.50}")
    return _PARSERS[kind](message)


def _filter(message: Mapping[str, Any]) -> Filter:
    level = message.get("level")
    if level is not None and level not in LEVELS:
        raise BadRequest(f"level is one of {', '.join(LEVELS)} or null, not {level!r:.50}")
    sources = message.get("sources")
    if sources is not None:
        numbers = _list(message, "sources", MOST_SOURCES)
        sources = tuple(sorted({_number(n, "sources", MOST_SOURCES) for n in numbers}))
    return Filter(
        level,
        sources,
        tuple(_pattern(entry) for entry in _list(message, "exclude", MOST_PATTERNS)),
        tuple(_pattern(entry) for entry in _list(message, "within", MOST_PATTERNS)),
        _flag(message, "only"),
        _count(message, "context", MOST_CONTEXT, 0),
        _seconds(message, "first"),
        _seconds(message, "last"),
    )


def _step(message: Mapping[str, Any]) -> Step:
    what, level = message.get("what"), message.get("level", "error")
    if what not in ("match", "level"):
        raise BadRequest(f"what is match or level, not {what!r:.50}")
    if level not in LEVELS:
        raise BadRequest(f"level is one of {', '.join(LEVELS)}, not {level!r:.50}")
    start = message.get("start")
    number = -1 if start == -1 else _number(start, "start", MOST_LINES)
    return Step(what, number, _flag(message, "back"), level)


def _search(message: Mapping[str, Any]) -> SearchFor:
    pattern = message.get("pattern")
    return SearchFor(None if pattern is None else _pattern(pattern))


def _locate(message: Mapping[str, Any]) -> Locate:
    number = message.get("number")
    if number is not None:
        return Locate(_number(number, "number", MOST_LINES))
    seconds = _seconds(message, "seconds")
    if seconds is None:
        raise BadRequest("locate takes a number or seconds")
    return Locate(None, seconds)


def _spans(message: Mapping[str, Any]) -> Spans:
    texts = _list(message, "texts", MOST_ROWS)
    if not all(isinstance(text, str) for text in texts):
        raise BadRequest("texts are strings")
    return Spans(tuple(text[:MOST_PATTERN] for text in texts))


def _pattern(entry: object) -> Pattern:
    if not isinstance(entry, Mapping):
        raise BadRequest(f"a pattern is an object, not {entry!r:.50}")
    text = entry.get("text")
    if not isinstance(text, str) or not 0 < len(text) <= MOST_PATTERN:
        raise BadRequest(f"the text of a pattern has 1 to {MOST_PATTERN:,} characters")
    return Pattern(text, _flag(entry, "regex"), _flag(entry, "case"))


def _flag(message: Mapping[str, Any], name: str) -> bool:
    value = message.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(f"{name} is true or false, not {value!r:.50}")
    return value


def _count(message: Mapping[str, Any], name: str, most: int, default: int | None = None) -> int:
    return _number(message.get(name, default), name, most)


def _number(value: object, name: str, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise BadRequest(f"{name} is a whole number from 0 to {most:,}, not {value!r:.50}")
    return value


def _seconds(message: Mapping[str, Any], name: str) -> float | None:
    value = message.get(name)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or abs(value) > MOST_SECONDS:
        raise BadRequest(f"{name} is a number of seconds, not {value!r:.50}")
    return float(value)


def _list(message: Mapping[str, Any], name: str, most: int) -> list[Any]:
    value = message.get(name, [])
    if not isinstance(value, list) or len(value) > most:
        raise BadRequest(f"{name} is a list of up to {most:,} entries")
    return value


_PARSERS: dict[str, Callable[[Mapping[str, Any]], Request]] = {
    "info": lambda message: Info(),
    "status": lambda message: Status(),
    "rows": lambda message: Rows(
        _count(message, "start", MOST_LINES), _count(message, "count", MOST_ROWS)
    ),
    "line": lambda message: Line(_count(message, "number", MOST_LINES)),
    "text": lambda message: Text(
        _count(message, "start", MOST_LINES), _count(message, "stop", MOST_LINES)
    ),
    "search": _search,
    "step": _step,
    "filter": _filter,
    "marks": lambda message: Marks(max(1, _count(message, "buckets", MOST_BUCKETS))),
    "locate": _locate,
    "follow": lambda message: Follow(_flag(message, "on")),
    "select": lambda message: Select(
        _count(message, "start", MOST_LINES), _count(message, "stop", MOST_LINES)
    ),
    "spans": _spans,
    "bye": lambda message: Bye(),
}
