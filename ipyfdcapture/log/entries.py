"""Entries: a line that says how serious it is, and the lines that go on with it.

A traceback's body, a compiler's caret and the frames of a stack belong to the line before them
that has a level, their head. They are of the same source: what another source wrote in between
does not part them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .levels import LevelFinder, without_prefix
from .lines import Row, content
from .reading import Reading

#: So much is looked at of the start and of the end of a line: how it begins says what it is.
ENDS_BYTES = 8 << 10
#: An entry is over when so many lines in a row are of other sources.
MOST_OTHER_LINES = 1000

#: What goes on with the line before: an indent, a frame, a rule, a cause.
_GOES_ON = re.compile(
    r"\s+\S|[|│└╰^~+]|#\d+ |=>|\.\.\. |Caused by: |goroutine \d+ |created by |frame #\d"
    r"|(?:main|runtime|testing)\.\w*\(|Current thread |Thread 0x|Backtrace"
    r"|stack backtrace|Stack dump|During handling of |The above exception "
    r"|\[Previous line repeated|Traceback "
    r"|==\d+== {2,}|exit status \d|In addition: "
    # rustc's margin, what Rust says of a panic, Julia
    r"|\d+ +\||note: (?:run with `RUST_|Some details are )|Stacktrace:|in expression starting at "
    # what Open MPI says of a signal
    r"|Signal(?: code)?: |Failing at address: |\[ ?\d+\] \S+[(\[]|\S+\) ?\[0x|\*\*\* End of error "
    # what Dask says of a task that failed
    r"|(?:Key|State|Task|Function|args|kwargs): {2,}\S|(?:Exception|Traceback): ['\"]"
)
#: What is said in the next line.
_SAID_NEXT = re.compile(r"thread '[^']*' (?:\(\d+\) )?panicked at \S+:\d+:\d+:$")
_EXCEPTION = re.compile(r"(?:\w+\.)*[A-Z]\w*(?:: |$)")
_TRACEBACK = "Traceback (most recent call last):"


def entry_positions(reading: Reading, heads: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield the positions of some lines and of those that go on with them, ascending.

    Parameters
    ----------
    reading
        The lines among which they are.
    heads
        The positions of lines in it, ascending.
    """
    entries = _Entries(reading)
    found: set[int] = set()
    for head in heads:
        if head not in found:
            found.update(entries.of(head))
    yield sorted(found)


class _Entries:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._finder = LevelFinder(reading.sight)
        self._sight = reading.sight.lenient()
        self._read = reading.lines.reader(ENDS_BYTES)

    def of(self, head: int) -> Iterator[int]:
        """Yield the positions of a head and of what goes on with it."""
        yield head
        indices = self._reading.indices
        first = self._read(indices[head])
        in_traceback = _TRACEBACK in self._text(first)
        is_said_next = _SAID_NEXT.search(self._text(first)) is not None
        blank: list[int] = []
        others = 0
        for position in range(head + 1, len(indices)):
            row = self._read(indices[position])
            if row.source != first.source:
                others += 1
                if others > MOST_OTHER_LINES:
                    return
                continue
            others = 0
            text = without_prefix(self._text(row))
            if is_said_next:
                is_said_next = False
            elif not text.strip():
                blank.append(position)  # inside, if the entry goes on behind it
                continue
            elif _GOES_ON.match(text):
                in_traceback = in_traceback or text.startswith(_TRACEBACK)
                if self._finder.level(content(row.raw)) is not None and text[:1].isspace():
                    return  # an entry of its own, indented
            elif in_traceback and not blank and _EXCEPTION.match(text):
                in_traceback = False
            else:
                return
            yield from blank
            blank.clear()
            yield position

    def _text(self, row: Row) -> str:
        return self._sight.seen_lines([content(row.raw)])[0]
