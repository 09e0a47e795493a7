"""How long a search with an expression may take, told from the expression alone.

Python's `re` tries all ways in which a text can be split among the repetitions of an expression.
Where a repetition may end at several places, since what follows begins with a character that it
takes as well, each of these places is one way: two such repetitions in a row have as many ways as
pairs of places, and one within another has two to the power of the length.

`longest_quick` counts them, on the safe side, and says up to which length of a text all ways
together take about a second.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from .literals import parsed

#: `re` takes some 100 million steps a second.
_MOST_STEPS = 1 << 26
#: A repetition of more than so many counts as one without a limit.
_FEW = 64
#: No text is longer.
UNLIMITED = 1 << 62

# A set of characters is an int with a bit for each of ASCII, and one for each kind of the others.
# It may hold too much, and never too little.
_OTHER_DIGITS, _OTHER_LETTERS, _OTHER_SPACES, _OTHER_SIGNS = (1 << n for n in range(128, 132))
_OTHERS = _OTHER_DIGITS | _OTHER_LETTERS | _OTHER_SPACES | _OTHER_SIGNS
_ALL = (1 << 132) - 1
_GROUPS = ("SUBPATTERN", "ATOMIC_GROUP")
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


class _EndlessError(Exception):
    """The ways may be as many as two to the power of the length."""


@functools.lru_cache(256)
def longest_quick(pattern: re.Pattern[Any]) -> int:
    """Return how long a text may be for its search to take a second or so at most.

    Examples
    --------
    >>> longest_quick(re.compile("loss [0-9]")) == UNLIMITED
    True
    >>> longest_quick(re.compile(r"loss \\d+, step \\d+$"))
    8192
    >>> longest_quick(re.compile("(a+)+$"))
    0
    """
    try:
        items = list(parsed(pattern))
        ways = _Ways()
        ways.of(items, 0)
    except (ImportError, AttributeError, TypeError, ValueError, RecursionError, re.error):
        return 0  # the parser is the standard library's own, and may change
    except _EndlessError:
        return 0
    anchored = bool(items) and str(items[0][1]) in ("AT_BEGINNING", "AT_BEGINNING_STRING")
    starts = 0 if anchored and not pattern.flags & re.MULTILINE else 1
    power = max(1, starts + max(ways.power, ways.scans))
    if ways.factor == 1 and not ways.scans:
        return UNLIMITED
    return int((_MOST_STEPS / ways.factor) ** (1 / power))


class _Ways:
    """Counts the ways of an expression, from its end to its start."""

    def __init__(self) -> None:
        #: How many there are from one place on: the length to this power, times the factor.
        self.power = 0
        self.factor = 1
        #: 1 if something may be as long as the text.
        self.scans = 0
        #: Whether what was looked at so far, from the end on, cannot fail.
        self._is_sure = True
        #: In how many repetitions it is.
        self._depth = 0

    def of(self, items: Any, follow: int) -> int:
        """Look at a sequence, given what may follow; return with what it, or that, may begin."""
        for operation, argument in reversed(list(items)):
            follow = self._item(str(operation), argument, follow)
        return follow

    def _item(self, name: str, argument: Any, follow: int) -> int:
        if name in ("AT", "FAILURE"):
            self._is_sure = False
            return follow
        characters = _characters(name, argument)
        if characters is not None:
            self._is_sure = False
            return characters
        if name in _GROUPS:
            return self.of(argument[-1] if name == "SUBPATTERN" else argument, follow)
        if name == "BRANCH":
            return self._branches(argument[1], follow)
        if name == "GROUPREF_EXISTS":
            return self._branches([argument[1], argument[2] or []], follow)
        if name in ("ASSERT", "ASSERT_NOT"):
            self._is_sure = False
            before = self.power
            self.power = 0
            self.of(argument[1], 0)
            self.power = max(before, self.power)
            return follow
        if name in _REPEATS:
            return self._repeat(argument, follow)
        if name == "GROUPREF":
            self._choice(_FEW + 1)
            return _ALL
        raise ValueError(name)

    def _branches(self, branches: Any, follow: int) -> int:
        sure, before = self._is_sure, self.power
        firsts, powers = [], []
        for branch in branches:
            self._is_sure, self.power = sure, before
            firsts.append(self.of(branch, follow))
            powers.append(self.power)
        self._is_sure, self.power = False, max(powers)
        together = 0
        for first in firsts:
            if together & first:
                self._choice(1)
            together |= first
        return together

    def _repeat(self, argument: Any, follow: int) -> int:
        least, most, items = argument
        body = list(items)
        choices = int(most) - least  # MAXREPEAT is a large number
        single = _characters(str(body[0][0]), body[0][1]) if len(body) == 1 else None
        if single is None and int(most) == 1:  # an option
            first = self.of(body, follow)
            if first & follow:
                self._choice(1)
            return first | follow
        first = single if single is not None else self._first_of(body, follow)
        if int(most) > _FEW:
            self.scans = 1
        if first & follow and choices:
            self._choice(choices)
        elif int(most) > _FEW and not self._is_sure:
            self.power = max(self.power, 1)
        self._is_sure = self._is_sure and least == 0
        return first if least else first | follow

    def _first_of(self, body: Any, follow: int) -> int:
        """Return with what a body begins that is repeated: what follows it may be itself."""
        alone = _Ways()
        alone._depth = 1
        first = alone.of(body, 0)
        self._depth += 1
        before = self.power, self._is_sure
        self._is_sure = False
        self.of(body, first | follow)
        if _may_be_empty(body):
            raise _EndlessError
        self._depth -= 1
        self.power, self._is_sure = before
        return first

    def _choice(self, choices: int) -> None:
        """Count that something may end at so many more places."""
        if self._depth:
            raise _EndlessError
        if choices > _FEW:
            self.scans = 1
            self.power += 1
        else:
            self.factor *= choices + 1


def _may_be_empty(items: Any) -> bool:
    return all(_item_may_be_empty(str(operation), argument) for operation, argument in items)


def _item_may_be_empty(name: str, argument: Any) -> bool:
    if name in _GROUPS:
        return _may_be_empty(argument[-1] if name == "SUBPATTERN" else argument)
    if name in _REPEATS:
        return argument[0] == 0 or _may_be_empty(argument[2])
    if name == "BRANCH":
        return any(map(_may_be_empty, argument[1]))
    return _characters(name, argument) is None


def _characters(name: str, argument: Any) -> int | None:
    """Return what an item takes that takes one character; None for any other."""
    if name == "LITERAL":
        return _folded(argument)
    if name == "NOT_LITERAL":
        return _ALL & ~_of_ascii(argument)
    if name in ("ANY", "ANY_ALL"):
        return _ALL
    if name == "IN":
        return _class(argument)
    return None


def _class(items: Any) -> int:
    is_negated = str(items[0][0]) == "NEGATE"
    # What is left out is no more than what is named; what is taken may be more.
    bit = _of_ascii if is_negated else _folded
    found = 0
    for operation, argument in items[1:] if is_negated else items:
        name = str(operation)
        if name == "LITERAL":
            found |= bit(argument)
        elif name == "RANGE":
            low, high = argument
            for code in range(low, min(high, 127) + 1):
                found |= bit(code)
            if high > 127 and not is_negated:
                found |= _OTHERS
        elif name == "CATEGORY":
            found |= _category(str(argument))
        else:
            raise ValueError(name)
    return _ALL & ~found if is_negated else found


def _of_ascii(code: int) -> int:
    return 1 << code if code < 128 else 0


def _folded(code: int) -> int:
    """Return a character with those that it may be the same as, where case is ignored."""
    if code >= 128:
        return _OTHERS | _ascii("[a-zA-Z]")
    letter = chr(code)
    if not letter.isalpha():
        return 1 << code
    others = _OTHER_LETTERS if letter.lower() in "iks" else 0  # long s, dotless i, the Kelvin sign
    return 1 << ord(letter.lower()) | 1 << ord(letter.upper()) | others


_CATEGORIES = {
    "DIGIT": (r"\d", _OTHER_DIGITS),
    "SPACE": (r"\s", _OTHER_SPACES),
    "WORD": (r"\w", _OTHER_DIGITS | _OTHER_LETTERS),
}


def _category(name: str) -> int:
    pattern, others = _CATEGORIES[name.rsplit("_", 1)[1]]
    found = _ascii(pattern) | others
    return _ALL & ~found if "NOT" in name else found


@functools.cache
def _ascii(pattern: str) -> int:
    return sum(1 << code for code in range(128) if re.fullmatch(pattern, chr(code)))
