"""A program that searches lines with an expression, and gives up on those that take for ever.

Python's `re` cannot be told to stop, and while it searches, nothing else runs in its process. So it
searches in this one: alone in a process of its own, an alarm can break it off. `bounded` starts it
and talks to it. It imports nothing of the package, so that it starts at once.

It reads one `Task`, then what to find, and in which lines; it answers with what was found, line by
line, and the positions of the lines that took too long. Each message is marshalled, behind its
length.
"""

from __future__ import annotations

import marshal
import re
import signal
import struct
import sys
from collections.abc import Callable
from typing import IO, Any

LENGTH = struct.Struct("<Q")
#: The pattern, its flags, and the limit in seconds.
Task = tuple[Any, int, float]
#: For each match in a line, what its groups matched: without groups, all of it.
Found = list[tuple[Any, ...]]


class _TooSlowError(BaseException):
    """One line takes longer than the limit."""


class _Alarm:
    """Rings if the same line is searched at two ticks in a row."""

    def __init__(self) -> None:
        #: How many lines were begun, and whether one is being searched.
        self.line = 0
        self.searching = False
        self._seen = -1

    def ring(self, number: int, frame: object) -> None:
        if self.searching and self._seen == self.line:
            self.searching = False
            raise _TooSlowError
        self._seen = self.line


def find_all(expression: re.Pattern[Any], line: Any) -> Found:
    """Return what the groups matched, for each match in a line; without groups, all of it."""
    if expression.groups:
        return [match.groups() for match in expression.finditer(line)]
    return [(match.group(),) for match in expression.finditer(line)]


def has_match(expression: re.Pattern[Any], line: Any) -> bool:
    """Tell whether a line matches."""
    return expression.search(line) is not None


#: What can be asked: what the groups matched, for each match, or whether there is one.
QUESTIONS: dict[str, Callable[[re.Pattern[Any], Any], Any]] = {"all": find_all, "any": has_match}


def send(stream: IO[bytes], message: Any) -> None:
    """Write one message."""
    data = marshal.dumps(message)
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message. Raises `EOFError` if there is none."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    data = stream.read(LENGTH.unpack(head)[0])
    return marshal.loads(data)


def main() -> None:
    """Search until nothing more is asked."""
    pattern, flags, limit = receive(sys.stdin.buffer)
    expression = re.compile(pattern, flags)
    alarm = _Alarm()
    # The process's own time: on a busy machine, waiting for a turn is nobody's fault.
    signal.signal(signal.SIGVTALRM, alarm.ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit, limit)
    while True:
        try:
            what, lines = receive(sys.stdin.buffer)
        except EOFError:
            return
        send(sys.stdout.buffer, _search(QUESTIONS[what], expression, lines, alarm))


def _search(
    search: Callable[[re.Pattern[Any], Any], Any],
    expression: re.Pattern[Any],
    lines: list[Any],
    alarm: _Alarm,
) -> tuple[list[Any], list[int]]:
    found: list[Any] = []
    slow: list[int] = []
    for i, line in enumerate(lines):
        try:
            alarm.line += 1
            alarm.searching = True
            matches = search(expression, line)
            alarm.searching = False
        except _TooSlowError:
            matches = None
            slow.append(i)
        found.append(matches)
    return found, slow


if __name__ == "__main__":
    main()
