"""What a text must contain for an expression to match it, so that most of a log is passed over."""

from __future__ import annotations

import re
from typing import Any

#: One of these occurs wherever the expression matches; empty: nothing is known.
Literals = tuple[str, ...]

#: More alternatives than this take longer to look for than the expression.
_MOST_ALTERNATIVES = 4
_GROUPS = ("SUBPATTERN", "ATOMIC_GROUP")
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


def required_literals(pattern: re.Pattern[Any]) -> Literals:
    """Return texts of which an expression needs one, as characters or as bytes in latin-1.

    Upper and lower case are the same to an expression that ignores case: its texts are in lower
    case then, and hold in ASCII text alone.

    Examples
    --------
    >>> required_literals(re.compile(r"loss=([0-9.]+)"))
    ('loss=',)
    >>> required_literals(re.compile("(warning|error): "))
    ('warning', 'error')
    """
    flags = pattern.flags
    if flags & re.LOCALE:
        return ()
    try:
        found = _of(parsed(pattern))
    except (ImportError, AttributeError, TypeError, ValueError, RecursionError, re.error):
        return ()  # the parser is the standard library's own, and may change
    if flags & re.IGNORECASE:
        found = tuple(text.lower() for text in found) if all(map(str.isascii, found)) else ()
    return found if all(found) else ()


def parsed(pattern: re.Pattern[Any]) -> Any:
    """Return the items of an expression, each an operation and its argument.

    Raises anything: the parser is the standard library's own, and may change.
    """
    try:
        from re import _parser as parser  # type: ignore[attr-defined]
    except ImportError:
        import sre_parse as parser  # Python 3.10
    return parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)


def _of(sequence: Any) -> Literals:
    """Return what is best known of a sequence of items."""
    candidates: list[Literals] = []
    text = ""
    for operation, argument in sequence:
        name = str(operation)
        if name == "LITERAL":
            text += chr(argument)
            continue
        candidates.append((text,))
        text = ""
        if name in _GROUPS:
            flagged = name == "SUBPATTERN" and (argument[1] or argument[2])
            inner = argument[-1] if name == "SUBPATTERN" else argument
            candidates.append(() if flagged else _of(inner))
        elif name in _REPEATS and argument[0] >= 1:
            candidates.append(_of(argument[2]))
        elif name == "BRANCH":
            candidates.append(_of_branches(argument[1]))
    return max([*candidates, (text,)], key=_worth)


def _of_branches(branches: Any) -> Literals:
    found = [_of(branch) for branch in branches]
    together = tuple(text for literals in found for text in literals)
    return together if all(map(_worth, found)) and len(together) <= _MOST_ALTERNATIVES else ()


def _worth(literals: Literals) -> float:
    """Tell how good they are: the longer the better, and one is better than several."""
    return min(map(len, literals), default=0) / max(1, len(literals))
