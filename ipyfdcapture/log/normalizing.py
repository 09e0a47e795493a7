"""Lines with what differs in each run set aside: numbers, times, addresses, paths."""

from __future__ import annotations

import re
from collections.abc import Iterable

_TO_MINUTES = r":\d\d(?::\d\d)?(?:[.,]\d+)?"
_CLOCK = r"\d{1,2}" + _TO_MINUTES
#: What can be set aside, in the order in which it is: a time holds numbers.
KINDS: dict[str, str] = {
    # It begins with one of a few characters: `re` passes over all others three times as fast.
    "times": (
        r"[\dADFJMNOS](?:"
        r"[a-z]{2}(?<=Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d "
        + _CLOCK
        + r"(?: \d{4})?"
        r"|(?<=\d)(?:\d{3}[-/]\d\d[-/]\d\d(?:[T ]" + _CLOCK + r"(?: ?(?:Z|[+-]\d\d:?\d\d)\b)?)?"
        r"|(?<!\w\d)(?:\d?" + _TO_MINUTES + r"\b"
        r"|\d*(?:\.\d+)?(?:e[+-]?\d+)? ?"
        r"(?:[nmuµ]?s|sec|secs|seconds?|min|minutes?|hours?|[hd])\b)))"
    ),
    "addresses": r"\b0[xX][0-9a-fA-F]+\b|\b(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{12,16})\b(?=.*0x)",
    "paths": r"(?<![\w/])~?(?:/[\w.@+~=%-]+)+/?|\b[A-Za-z]:\\[\w.\\ -]*\w",
    "numbers": r"(?<![A-Za-z_])[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?",
}
#: What stands in the place of each; no text holds it, since no line is cut there.
_MARKS = {"times": "\x00t", "addresses": "\x00a", "paths": "\x00p", "numbers": "\x00n"}


def checked_kinds(ignore: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Return what to set aside, in the right order. Raises `ValueError` for what is unknown."""
    is_one = isinstance(ignore, str) or not isinstance(ignore, Iterable)
    wanted = (ignore,) if is_one else tuple(ignore)
    for kind in wanted:
        if kind not in KINDS:
            raise ValueError(f"ignore takes {', '.join(KINDS)}, not {kind!r}")
    return tuple(kind for kind in KINDS if kind in wanted)


def normalized(text: str, kinds: tuple[str, ...]) -> str:
    """Return lines (joined by line ends) with something set aside."""
    for kind in kinds:
        text = _expressions[kind].sub(_MARKS[kind], text)
    return text


_expressions = {kind: re.compile(pattern) for kind, pattern in KINDS.items()}
