"""Search lines with an expression that may take for ever on one of them.

What repeats without a limit may take time that grows with a power of the line's length, or with
two to the power of it. Such an expression runs in a process of its own (`matcher`), which gives up
on a line after a limit; any other runs here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any

from . import matcher
from .columns import Origin

#: Searching one line may take this long, in seconds, and at most twice as long.
LINE_LIMIT_S = 1.0
#: So many lines, or characters, are asked for at once.
BATCH_LINES = 4096
_BATCH_CHARACTERS = 1 << 20
#: So many lines are named in a warning.
_NAMED = 5
#: How long to wait for the process to end once nothing more is asked, in seconds.
_END_S = 5.0
#: What can break a search off. Without one, on Windows, it takes as long as it takes.
_HAS_ALARM = hasattr(signal, "setitimer")
_MATCHER = os.path.abspath(matcher.__file__)


def find_in_lines(
    expression: re.Pattern[str], lines: Iterable[tuple[Origin, str]], limit: float = LINE_LIMIT_S
) -> Iterator[tuple[Origin, matcher.Found]]:
    """Search lines, and leave out those that take too long.

    Parameters
    ----------
    expression
        What to find.
    lines
        Where each is from, and its text.
    limit
        How long the search of one line may take, in seconds.

    Yields
    ------
    tuple
        Where a line is from that has a match, and what the groups of each match are: without
        groups, all of it.

    Warns
    -----
    UserWarning
        At the end, if lines took too long: it names them.
    """
    slow: list[int] = []
    with _Search(expression, limit) as search:
        for origins, texts in _batched(lines):
            found, too_slow = search(texts)
            slow += [origins[i].number for i in too_slow]
            for origin, matches in zip(origins, found, strict=True):
                if matches:
                    yield origin, matches
    if slow:
        warnings.warn(_told(expression, slow, limit), UserWarning, stacklevel=2)


def _told(expression: re.Pattern[str], slow: list[int], limit: float) -> str:
    named = ", ".join(f"{number:,}" for number in slow[:_NAMED])
    more = f" and {len(slow) - _NAMED:,} more" if len(slow) > _NAMED else ""
    line = "line" if len(slow) == 1 else "lines"
    return (
        f"the pattern {expression.pattern!r} takes over {limit:g} s on {line} {named}{more}, "
        "left out: anchor it, or repeat a narrower class of characters"
    )


def _batched(lines: Iterable[tuple[Origin, str]]) -> Iterator[tuple[list[Origin], list[str]]]:
    origins: list[Origin] = []
    texts: list[str] = []
    size = 0
    for origin, text in lines:
        origins.append(origin)
        texts.append(text)
        size += len(text)
        if len(texts) == BATCH_LINES or size >= _BATCH_CHARACTERS:
            yield origins, texts
            origins, texts, size = [], [], 0
    if texts:
        yield origins, texts


class _Search:
    """Searches lists of lines; use it as a context manager."""

    def __init__(self, expression: re.Pattern[str], limit: float) -> None:
        self._expression = expression
        self._limit = limit
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Callable[[list[str]], tuple[list[matcher.Found], list[int]]]:
        if not _HAS_ALARM or not may_take_for_ever(self._expression):
            return self._here
        return self._there

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        process = self._process
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        try:
            if error is not None:
                process.kill()
            with contextlib.suppress(OSError):  # it has ended
                process.stdin.close()
            process.wait(_END_S)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def _here(self, lines: list[str]) -> tuple[list[matcher.Found], list[int]]:
        return [matcher.find_all(self._expression, line) for line in lines], []

    def _there(self, lines: list[str]) -> tuple[list[matcher.Found], list[int]]:
        if self._process is None:
            self._process = _start()
            task = (self._expression.pattern, self._expression.flags, self._limit)
            self._send(task)
        self._send(lines)
        assert self._process.stdout is not None
        try:
            found, slow = matcher.receive(self._process.stdout)
        except (EOFError, ValueError):
            raise _ended() from None
        return found, slow

    def _send(self, message: Any) -> None:
        assert self._process is not None and self._process.stdin is not None
        try:
            matcher.send(self._process.stdin, message)
        except BrokenPipeError:
            raise _ended() from None


def _ended() -> OSError:
    return OSError(errno.ECHILD, "the process that searches the lines has ended")


def _start() -> subprocess.Popen[bytes]:
    if not sys.executable:
        raise OSError(errno.ENOENT, "this Python does not know its own program")
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-E", _MATCHER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # an interrupt is for the kernel, which ends it
        cwd="/",
    )


def may_take_for_ever(expression: re.Pattern[str]) -> bool:
    """Whether the expression may repeat something without a limit, or very often.

    It errs on the safe side: what looks like a repetition in a class of characters counts too.
    """
    return re.search(r"[*+]|\{\d*,\}|\{\d*,?\d{3,}\}", expression.pattern) is not None
