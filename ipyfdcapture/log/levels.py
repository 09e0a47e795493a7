"""Levels: the formats in which native programs and their tools say how serious a line is.

To add a format, add a line to `FORMATS`, and sample lines to ``tests/unit/test_levels.py``.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from typing import NamedTuple

from .lines import content
from .reading import Reading

#: From the least serious to the most.
LEVELS = ("trace", "debug", "info", "warning", "error", "critical")

#: The words that formats use, in lower case, and the level that each means.
WORDS: dict[bytes, str] = {
    word.encode(): level
    for level, words in {
        "trace": "trace verbose verb",
        "debug": "debug d",
        "info": "info i note notice remark success status",
        "warning": "warning warn w",
        "error": "error err e traceback ***",
        "critical": "critical crit fatal f panic alert emerg emergency",
    }.items()
    for word in words.split()
} | {b"fatal error": "critical"}


class Format(NamedTuple):
    """One way to write levels."""

    #: Who writes so.
    name: str
    #: What the line begins with; the group ``level`` holds one of `WORDS`, or ends with one.
    pattern: str


_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"\d\d:\d\d:\d\d"
_UPPER = r"(?P<level>TRACE|DEBUG|INFO|SUCCESS|WARN(?:ING)?|ERROR|CRITICAL|FATAL)"

#: The first that fits decides.
FORMATS = (
    Format("glog, absl, gRPC, klog", r"(?P<level>[IWEF])\d{4,8} \d\d:\d\d:[\d.]+ +\d+ \S+:\d+\]"),
    Format("TensorFlow", rf"{_DATE} {_TIME}\.\d+: (?P<level>[IWEF]) \S+:\d+\]"),
    Format("Python logging, basic", rf"{_UPPER}:[^\s:]*:"),
    Format(
        "Python logging, with time",
        rf"\[?{_DATE} {_TIME},\d+\]?[ |:-]+(?:\[?[\w.]+\]?[ |:-]+){{0,3}}?\[?{_UPPER}\b",
    ),
    Format("Python warnings", r"[^\s:][^:]*:\d+: [A-Z]\w*(?P<level>Warning): "),
    Format("Python traceback", r"(?P<level>Traceback) \(most recent call last\):"),
    Format("loguru", rf"{_DATE} {_TIME}\.\d+ \| {_UPPER} *\| "),
    Format(
        "spdlog",
        rf"\[{_DATE} {_TIME}\.\d+\] (?:\[[^\]]*\] )?"
        r"\[(?P<level>trace|debug|info|warning|warn|error|critical)\] ",
    ),
    Format("env_logger", rf"\[(?:{_DATE}T\S+ )?{_UPPER} +[\w:]+\] "),
    Format("Rust tracing", rf"{_DATE}T{_TIME}\S* +{_UPPER} "),
    Format("GDAL", r"(?P<level>Warning|ERROR|FATAL) \d+: "),
    Format("OpenCV", r"\[ ?(?P<level>VERB|DEBUG|INFO|WARN|ERROR|FATAL):\d+(?:@[\d.]+)?\] "),
    Format("LightGBM", r"\[LightGBM\] \[(?P<level>Debug|Info|Warning|Fatal)\] "),
    Format("XGBoost", rf"\[{_TIME}\] (?P<level>DEBUG|INFO|WARNING|ERROR|FATAL): "),
    Format("NCCL", r"\S+:\d+:\d+ \[\d+\] NCCL (?P<level>TRACE|INFO|WARN) "),
    Format("PETSc", r"\[\d+\]PETSC (?P<level>ERROR): "),
    Format("Spark, log4j", rf"\d\d/\d\d/\d\d {_TIME} {_UPPER} "),
    Format("logfmt", r'(?:ts|time)=(?:"[^"]*"|\S+) (?:level|lvl)=(?P<level>\w+)\b'),
    Format("JSON", r'\{(?:[^{}]*?,)?\s*"(?:level|severity|lvl)":\s*"(?P<level>\w+)"'),
    Format("CMake", r"CMake (?:Deprecation )?(?P<level>Error|Warning)\b"),
    Format("make", r"g?make(?:\[\d+\])?: (?P<level>\*\*\*) "),
    Format(
        "MSVC, nvcc, ifort",
        r"[^\s(:][^(:]*\(\d+(?:,\d+)?\) ?: (?P<level>fatal error|error|warning|remark)[ :#]",
    ),
    Format(
        "gcc, clang, ld",
        r"(?:[A-Za-z]:)?[^\s:][^:]*:(?:\d+:){0,2} "
        r"(?P<level>fatal error|error|warning|note|remark): ",
    ),
    Format(
        "rustc, cargo, gfortran, pip, ...",
        r"(?P<level>FATAL|[Ff]atal|ERROR|[Ee]rror|WARN(?:ING)?|[Ww]arn(?:ing)?|INFO|[Ii]nfo|NOTE"
        r"|[Nn]ote|DEBUG|[Dd]ebug)(?:\[\w+\])?: ",
    ),
    Format(
        "a level in brackets",
        r"\[ *(?P<level>trace|debug|info|warn|warning|error|fatal|critical"
        r"|TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|CRITICAL) *\]",
    ),
)

#: What a program writes for a terminal alone: colours, "erase to the end of the line", links.
_CONTROLS = re.compile(rb"\x1b(?:\[[0-9;:]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
#: A level stands near the start; the rest of a long line need not be looked at.
_LOOK_AT_BYTES = 500


def level_of(line: bytes) -> str | None:
    """Return the level of a line, one of `LEVELS`; None if it names none."""
    line = line[:_LOOK_AT_BYTES]
    if b"\x1b" in line:  # many formats colour the level
        line = _CONTROLS.sub(b"", line)
    match = _any_format().match(line)
    if match is None or match.lastgroup is None:
        return None
    return WORDS.get(match[match.lastgroup].lower())


@functools.cache
def _any_format() -> re.Pattern[bytes]:
    """Return all of `FORMATS` in one: compiling it takes some milliseconds, once it is needed."""
    patterns = (
        format_.pattern.replace("(?P<level>", f"(?P<level{i}>") for i, format_ in enumerate(FORMATS)
    )
    return re.compile("|".join(patterns).encode())


#: What stands for each level, and for none, where levels of lines are held as bytes.
CODES: dict[str | None, int] = {None: 0, **{level: i + 1 for i, level in enumerate(LEVELS)}}

#: No format names a digit, so all digits may be one.
_ONE_DIGIT = bytes(ord("0") if chr(i).isdigit() and i < 128 else i for i in range(256))
#: Longer lines are rarely alike.
_MOST_BYTES = 500
#: So many shapes are remembered: a program has tens of them, words in any order have millions.
_MOST_SHAPES = 4096


class LevelCodes:
    """Tells levels as `CODES`, and remembers the shapes of lines that it has seen."""

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}

    def of_lines(self, lines: list[bytes]) -> bytes:
        """Return a byte for each line; lines are without their line ends."""
        shapes = b"\n".join(lines).translate(_ONE_DIGIT).split(b"\n") if lines else []
        codes = list(map(self._known.get, shapes))
        if None in codes:
            for i, code in enumerate(codes):
                if code is None:
                    codes[i] = self._look(shapes[i])
        return bytes(codes)  # type: ignore[arg-type]  # none is None any more

    def _look(self, shape: bytes) -> int:
        code = CODES[level_of(shape)]
        if len(shape) <= _MOST_BYTES:
            if len(self._known) >= _MOST_SHAPES:
                self._known.clear()
            self._known[shape] = code
        return code


def count_levels(reading: Reading) -> dict[str, int]:
    """Count lines by level: those of `LEVELS` that occur, in that order."""
    codes = LevelCodes()
    if reading.whole:
        counts = Counter[int]()
        for batch in reading.lines.batches():
            counts.update(codes.of_lines(batch.contents()))
    else:
        counts = Counter(codes.of_lines([content(row.raw)])[0] for row in reading.rows())
    return {level: counts[CODES[level]] for level in LEVELS if counts[CODES[level]]}


def checked_level(level: str) -> str:
    """Return the level that a word means. Raises `ValueError` if it means none."""
    found = WORDS.get(level.lower().encode()) if isinstance(level, str) and len(level) > 1 else None
    if found is None:
        raise ValueError(f"a level is one of {', '.join(LEVELS)}, not {level!r}")
    return found
