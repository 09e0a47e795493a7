"""Levels: how serious a line is, as the program that wrote it says.

The rules are in `level_rules`. What is looked at is the start of a line as it is seen, behind
what ranks, workers and progress bars put before it. A line is brought to a shape first, in which
all digits are one: programs have few shapes, and each is looked at once.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from . import level_rules
from .level_rules import CRASHES, LETTERED, WORDED, WORDS, Rule
from .lines import content, grouped, has_longer_line
from .reading import Reading
from .seen import Sight

#: From the least serious to the most.
LEVELS = ("trace", "debug", "info", "warning", "error", "critical")

#: All rules, in the order in which they are tried: the first that fits decides.
FORMATS = (*LETTERED, *CRASHES, *WORDED)

#: A level stands near the start; the rest of a long line need not be looked at.
_LOOK_AT_CHARACTERS = 500
#: Of a line longer than twice this, the start says it, and the end, which may be drawn over it.
#: Whoever reads of a long line no more than its ends finds the same, without the time to read all.
ENDS_BYTES = 8_000
#: So much of either end is to be read: a line end may go along.
READ_BYTES = ENDS_BYTES + 2
#: So many shapes are remembered: a program has tens of them, words in any order have millions.
_MOST_SHAPES = 1 << 14
_ONE_DIGIT = bytes(0x30 if 0x30 <= byte <= 0x39 else byte for byte in range(256))
#: Prefixes before a level: a rank's, a worker's, a container's, a bar.
_MOST_PREFIXES = 4
_NEGATION = re.compile(r"(?:\b(?:[Nn]o|NO|[Nn]ot|[Ww]ithout|[Zz]ero|any)|(?<![\w.:])0) $")
#: A line in ASCII that a rule fits has one of these in it, ...
_PARTS = (
    *(b"Err", b"ERR", b"0err", b"Warn", b"WARN", b"0warn", b"Exception", b"Traceback"),
    *(b"Sanitizer", b"***", b"==0", b"): ", b"--", b"an't", b".go:", b"!"),
)
#: ... or one of these as a word, in lower case.
_WORDS = frozenset(
    word.encode()
    for phrase in WORDS
    for word in phrase.split()[-1:]
    if len(word) > 2 and word.isascii() and word.isalpha()
) | frozenset(
    b"""abi abort aborted allocate angehalten assertion attempt bad busy cannot
    corrupted corruption could couldn counts ctab cublas cublaserror cublasfailure cudaerror
    cudafailure cudnn cudnnerror cudnnfailure cufft curl cusolver cusparse denied deprecated
    deprecation descriptor directory dumped enough errno exceeded exists exit explicit
    failed failure fault files found geschrieben goroot halted handle hiperror hipfailure
    illegal invalid kekulize kill killed let level levelname line lvl memory message missing
    mpi must ncclerror ncclfailure ninja noticed oom overflow overflowed overfull panicked
    parameter permitted pipe pure recognised recognized refused requires reset segfault
    severity sigabrt sigbus sigfpe sigill sigint sigkill signal sigpipe sigsegv sigsys
    sigterm sigtrap space speicherzugriffsfehler stop such terminate terminating termination
    trap trouble unable uncaught undefined underfull unexpected unhandled unknown
    unrecognised unrecognized unmatched unrecoverable unterminated warnmeldungen coin0000i
    coin0000w coin0000e cbc0000i cbc0000w cbc0000e clp0000i clp0000w clp0000e cgl0000i
    cgl0000w cgl0000e""".split()
)
#: ... or, if a rule of `LETTERED` fits, one of these as a word (digits may follow either), ...
_LETTERS = frozenset([b"d", b"i", b"w", b"e", b"f", b"n", b"v", b"s", b"ww", b"ee"])
#: ... and one of these in it.
_SIGNS = (b":", b"[", b"(", b"-", b"%")
#: What makes all but letters and digits a space, and letters lower case.
_AS_WORDS = bytes(ord(chr(i).lower()) if chr(i).isalnum() else 32 for i in range(128)) + bytes(
    range(128, 256)
)


def level_of(line: bytes) -> str | None:
    """Return the level of a line in UTF-8, one of `LEVELS`; None if it names none."""
    return _utf8_finder().level(line)


def without_prefix(text: str) -> str:
    """Return a line without what a rank or a worker put before it, but with its indent."""
    shape = re.sub("[0-9]", "0", text[:_LOOK_AT_CHARACTERS])
    start, prefix = 0, _prefix()
    for _ in range(_MOST_PREFIXES):
        found = prefix.match(shape, start)
        if found is None or found.group().isspace() or found.end() == start:
            break
        start = found.end()
    return text[start:]


@functools.cache
def _utf8_finder() -> LevelFinder:
    return LevelFinder(Sight("utf-8", "replace"))


class LevelFinder:
    """Tells the levels of the lines of one log.

    Parameters
    ----------
    sight
        How its bytes become text.
    """

    def __init__(self, sight: Sight) -> None:
        self._sight = sight.lenient()
        self._known = _Shapes()

    def level(self, line: bytes) -> str | None:
        """Return the level of one line, or of one whose middle was not read (`READ_BYTES`)."""
        return self.levels(content(line) + b"\n")[0]

    def levels(self, body: bytes) -> list[str | None]:
        r"""Return the level of each line; each of them ends with ``\n``."""
        if b"\r" in body:
            body = body.replace(b"\r\n", b"\n")
        if has_longer_line(body, 2 * ENDS_BYTES):
            body = b"\n".join(map(_ends_of, body.split(b"\n")))
        if not (self._sight.is_plain(body) and (body.isascii() or self._sight.is_utf8)):
            body = self._sight.seen_body(body).encode("utf-8", "replace")
        body = body.translate(_ONE_DIGIT)
        shapes = body.split(b"\n")
        shapes.pop()
        return self._known.levels(shapes)


def _ends_of(line: bytes) -> bytes:
    return line if len(line) <= 2 * ENDS_BYTES else line[:ENDS_BYTES] + line[-ENDS_BYTES:]


#: What stands for each level, and for none, where levels of lines are held as bytes.
CODES: dict[str | None, int] = {None: 0, **{level: i + 1 for i, level in enumerate(LEVELS)}}


class LevelCodes:
    """Tells levels of the lines of one log as `CODES`.

    Parameters
    ----------
    sight
        How its bytes become text.
    """

    def __init__(self, sight: Sight) -> None:
        self._finder = LevelFinder(sight)

    def of_lines(self, lines: list[bytes]) -> bytes:
        """Return a byte for each line; lines are without their line ends."""
        return self.of_body(b"\n".join(lines)) if lines else b""

    def of_body(self, body: bytes) -> bytes:
        r"""Return a byte for each line, given with a ``\n`` between two."""
        return bytes(map(CODES.__getitem__, self._finder.levels(body + b"\n")))


class _Shapes:
    """The levels of shapes of lines: those that come again are remembered."""

    def __init__(self) -> None:
        self._known: dict[bytes, str | None] = {}

    def levels(self, shapes: list[bytes]) -> list[str | None]:
        """Return the level of each shape."""
        known = self._known
        with contextlib.suppress(KeyError):
            return list(map(known.__getitem__, shapes))
        new = [shape for shape in dict.fromkeys(shapes) if shape not in known]
        levels = _levels_of(new)
        if len(new) == len(shapes) > 1:
            return levels  # words in any order never come again
        found = dict(zip(new, levels, strict=True))
        levels = [found[shape] if shape in found else known[shape] for shape in shapes]
        if len(shapes) == 1 or 2 * len(new) < len(shapes):
            self._remember(found)
        return levels

    def _remember(self, found: dict[bytes, str | None]) -> None:
        if len(self._known) + len(found) > _MOST_SHAPES:
            self._known.clear()
        self._known |= {
            shape: level for shape, level in found.items() if len(shape) <= _LOOK_AT_CHARACTERS
        }


def _levels_of(shapes: list[bytes]) -> list[str | None]:
    """Return the level of each shape by the rules.

    Most lines of prose have nothing that could fit: to find them, all are looked at together, in a
    twentieth of the time that the rules would take.
    """
    if max(map(len, shapes)) > _LOOK_AT_CHARACTERS:
        shapes = [shape[: 4 * _LOOK_AT_CHARACTERS] for shape in shapes]
    levels: list[str | None] = [None] * len(shapes)
    for i, may_have_word in _suspects(shapes).items():
        text = shapes[i].decode("utf-8", "replace")
        levels[i] = _level_of_shape(text[:_LOOK_AT_CHARACTERS], _patterns(may_have_word))
    return levels


def _suspects(shapes: list[bytes]) -> dict[int, bool]:
    """Return which lines a rule may fit, and whether it may be another than those of `LETTERED`."""
    body = b"\n".join(shapes)
    places: dict[int, bool] = {}
    words = _suspect_words(any(sign in body for sign in _SIGNS))
    for found in words.finditer(b" " + body.translate(_AS_WORDS)):
        places[found.start()] = found.group()[1:] not in _LETTERS
    for part in _PARTS:
        # Of many lines most have none of them, which a single sign tells soonest.
        if _rarest_of(part) in body:
            places |= dict.fromkeys(_lines_with(part, body), True)
    suspects: dict[int, bool] = {}
    i = counted = 0
    for place in sorted(places):
        i += body.count(b"\n", counted, place)
        counted = place
        suspects[i] = places[place] or suspects.get(i, False)
    if not body.isascii():
        suspects |= {i: True for i, shape in enumerate(shapes) if not shape.isascii()}
    return suspects


def _lines_with(part: bytes, body: bytes) -> Iterator[int]:
    """Yield a place in each line that has a part."""
    place = body.find(part)
    while place >= 0:
        yield place
        end = body.find(b"\n", place)
        place = body.find(part, end) if end >= 0 else -1


@functools.cache
def _rarest_of(part: bytes) -> bytes:
    """Return the first character that is no small letter; nothing if there is none."""
    return next((bytes([byte]) for byte in part if not chr(byte).islower()), b"")


@functools.cache
def _suspect_words(with_letters: bool) -> re.Pattern[bytes]:
    """Return what finds words that a rule may need, each behind a space."""
    words = _WORDS | _LETTERS if with_letters else _WORDS
    return re.compile(f" {_one_of([word.decode() for word in words])}(?![a-z])".encode())


def _one_of(words: Iterable[str]) -> str:
    """Return an expression of some words that looks at each letter once."""
    rests: dict[str, list[str]] = {}
    for word in sorted(words, reverse=True):
        rests.setdefault(word[:1], []).append(word[1:])
    branches = [first + _one_of(some) if first else "" for first, some in rests.items()]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def _level_of_shape(shape: str, rules: list[re.Pattern[str]]) -> str | None:
    start, prefix = 0, _prefix()
    for _ in range(_MOST_PREFIXES + 1):
        level, is_certain = _level_at(shape, start, rules)
        if level or is_certain:
            return level
        found = prefix.match(shape, start)
        if found is None or found.end() == start:
            return None
        start = found.end()
    return None


def _level_at(shape: str, start: int, patterns: list[re.Pattern[str]]) -> tuple[str | None, bool]:
    """Return the level that a rule finds, and whether it is certain that there is none."""
    found = None
    for pattern in patterns:
        found = pattern.match(shape, start)
        if found is not None:
            break
    if found is None or found.lastgroup is None:
        return None, False
    fixed = _fixed_levels().get(found.lastgroup)
    if fixed is not None:
        return fixed, True
    begin, end = found.span(found.lastgroup)
    word = shape[begin:end].lower()
    level = WORDS.get(word)
    is_letter = end - begin == 1
    if not is_letter and (_quantity().match(shape, found.end()) or _negated(shape[:begin])):
        return None, True
    return level, level is not None


def _negated(before: str) -> bool:
    return _NEGATION.search(before[-10:]) is not None


@functools.cache
def _patterns(with_words: bool) -> list[re.Pattern[str]]:
    """Return the rules as expressions, in the order in which they are tried."""
    return list(map(_rules, (LETTERED, CRASHES, WORDED) if with_words else (LETTERED,)))


@functools.cache
def _rules(rules: tuple[Rule, ...]) -> re.Pattern[str]:
    """Return rules as one expression: compiling it takes some milliseconds, once it is needed."""
    return re.compile("|".join(_pattern_of(rule) for rule in rules))


def _pattern_of(rule: Rule) -> str:
    number = FORMATS.index(rule)
    if rule.level is not None:
        return f"(?P<fixed{number}>{rule.pattern})"
    return rule.pattern.replace("(?P<level>", f"(?P<level{number}>")


@functools.cache
def _fixed_levels() -> dict[str, str]:
    return {f"fixed{i}": rule.level for i, rule in enumerate(FORMATS) if rule.level}


@functools.cache
def _prefix() -> re.Pattern[str]:
    return re.compile(level_rules.PREFIX)


@functools.cache
def _quantity() -> re.Pattern[str]:
    """Return what, behind a word for a level, says that it is none: a number of that name."""
    return re.compile(rf"[\])>*]*(?:{level_rules.QUANTITY}|{level_rules.MEASURE})")


def count_levels(reading: Reading) -> dict[str, int]:
    """Count lines by level: those of `LEVELS` that occur, in that order."""
    finder = LevelFinder(reading.sight)
    counts: Counter[str | None] = Counter()
    if reading.whole:
        for batch in reading.lines.batches():
            counts.update(finder.levels(batch.body))
            if batch.begun:
                counts[finder.level(batch.ends_of_cut_line(READ_BYTES)[0])] += 1
    else:
        rows = reading.lines.read(reading.indices, READ_BYTES)
        for some in grouped(rows):
            counts.update(finder.levels(b"".join([content(row.raw) + b"\n" for row in some])))
    return {level: counts[level] for level in LEVELS if counts[level]}


def checked_level(level: str) -> str:
    """Return the level that a word means. Raises `ValueError` if it means none."""
    found = WORDS.get(level.lower()) if isinstance(level, str) and len(level) > 1 else None
    if found is None:
        raise ValueError(f"a level is one of {', '.join(LEVELS)}, not {level!r}")
    return found


def levels_meant(level: str) -> frozenset[str]:
    """Return the levels that ``warning`` stands for, this or worse, or ``=warning``, it alone.

    Raises `ValueError` if there is no such level.
    """
    if isinstance(level, str) and level.startswith("="):
        return frozenset([checked_level(level[1:])])
    return frozenset(LEVELS[LEVELS.index(checked_level(level)) :])
