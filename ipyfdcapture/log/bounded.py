"""Search lines with an expression that may take for ever on one of them.

Lines that are short enough for the expression (`cost`) are searched here. Where one may take too
long, a process of its own (`matcher`) searches, which gives up on a line after a limit.
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
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, repeat
from types import TracebackType
from typing import Any

from ..system import clock
from . import matcher
from .columns import Origin
from .cost import longest_quick

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
    expression: re.Pattern[str],
    lines: Iterable[tuple[Origin, str]],
    limit: float,
    slow: list[int],
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
    slow
        Takes the numbers of lines that took too long.

    Yields
    ------
    tuple
        Where a line is from that has a match, and what the groups of each match are: without
        groups, all of it.
    """
    with BoundedSearch(expression, limit) as search:
        for origins, texts in _batched(lines):
            found, too_slow = search.find_all(texts)
            slow += [origins[i].number for i in too_slow]
            for origin, matches in zip(origins, found, strict=True):
                if matches:
                    yield origin, matches


def warn_of_slow(expression: re.Pattern[Any], slow: Sequence[int], limit: float) -> None:
    """Warn of the lines, by their numbers, that took too long; of none if there are none."""
    if slow:
        _warn(
            f"the pattern {expression.pattern!r} takes over {limit:g} s on {_named(slow)}, left "
            "out: anchor it, or repeat a narrower class of characters"
        )


def warn_of_pieces(expression: re.Pattern[Any], numbers: Sequence[int]) -> None:
    """Warn of the lines, by their numbers, that were searched in pieces."""
    if numbers:
        _warn(
            f"{_named(numbers)}: so long that the pattern {expression.pattern!r} was searched for "
            "in pieces, each as if it were a line"
        )


def _named(lines: Sequence[int]) -> str:
    numbers = sorted(set(lines))
    named = ", ".join(f"{number:,}" for number in numbers[:_NAMED])
    more = f" and {len(numbers) - _NAMED:,} more" if len(numbers) > _NAMED else ""
    return f"{'line' if len(numbers) == 1 else 'lines'} {named}{more}"


def _warn(message: str) -> None:
    # To the caller of the method that the user calls.
    warnings.warn(message, UserWarning, stacklevel=5)


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


class BoundedSearch:
    """Searches lists of lines with one expression; use it as a context manager.

    Parameters
    ----------
    expression
        What to find, in lines of its type.
    limit
        How long the search of one line may take, in seconds.
    """

    def __init__(self, expression: re.Pattern[Any], limit: float) -> None:
        self._expression = expression
        self._limit = limit
        #: Lines up to this length are searched in this process.
        self.longest_here = longest_quick(expression)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> BoundedSearch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        try:
            if error is not None:
                process.kill()
            with contextlib.suppress(OSError):  # it has ended
                process.stdin.close()
            clock.await_end(process, _END_S)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def find_all(self, lines: list[str]) -> tuple[list[matcher.Found], list[int]]:
        """Return what the groups matched, line by line, and which lines took too long."""
        if self._is_quick(lines):
            return list(map(matcher.find_all, repeat(self._expression), lines)), []
        found, slow = self._ask("all", lines)
        return found, slow

    def matching(self, lines: list[Any]) -> tuple[list[int], list[int]]:
        """Return which lines match, and which took too long."""
        if self._is_quick(lines):
            return list(compress(range(len(lines)), map(self._expression.search, lines))), []
        matches, slow = self._ask("any", lines)
        return list(compress(range(len(lines)), matches)), slow

    def _is_quick(self, lines: list[Any]) -> bool:
        return not _HAS_ALARM or max(map(len, lines), default=0) <= self.longest_here

    def _ask(self, what: str, lines: list[Any]) -> tuple[list[Any], list[int]]:
        if self._process is None:
            self._process = _start()
            self._send((self._expression.pattern, self._expression.flags, self._limit))
        self._send((what, lines))
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
