"""What a failing cell shows of its log, below the traceback: the last lines.

Only a little of each line, however long it is: what reaches the browser is bounded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from ..log.view.words import counted
from ..output.foreign import flush_quietly
from .config import CaptureFd

if TYPE_CHECKING:
    from ..log.captured import Captured
    from .options import MagicOptions

#: So much of one line is shown.
_LINE_BYTES = 2000


class Failure(NamedTuple):
    """A captured cell or statement that failed."""

    captured: Captured
    options: MagicOptions
    #: The error that a statement ended with. None: a cell failed, with its own error.
    error: BaseException | None = None


def show_failures(failures: Iterable[Failure], config: CaptureFd) -> None:
    """Show the last lines of what failed in a cell, unless the user sees or hides them."""
    for failure in failures:
        options = failure.options
        if options.is_shown or (options.on_error or config.on_error) == "hide":
            continue
        if failure.error is None or _was_shown(failure.error):
            show_last_lines(failure.captured, config.tail_lines, options.log_name)


def show_last_lines(log: Captured, count: int, name: str) -> None:
    """Write the last lines to ``sys.stdout`` and ``sys.stderr``, below a line that says so."""
    from ..log.view.ansi import PLAIN, Style, runs_of, to_terminal
    from ..log.view.excerpt import ENDS_BYTES, row_text
    from ..log.view.replay import Streams

    last = log.tail(count)
    total = len(log)
    if not total:
        return
    if total > count:
        title = f"the last {count:,} of {total:,} captured lines, all in {name}"
    else:
        title = f"{counted(total, 'captured line')}, in {name}"
    streams = Streams()
    streams.write(f"--- {title} ---\n", "stdout")
    reading = last._read()
    styles: dict[int, Style] = {}
    for row in reading.lines.read(reading.indices, ENDS_BYTES):
        text, left_out = row_text(reading, row, _LINE_BYTES)
        runs, styles[row.source] = runs_of(text, styles.get(row.source, PLAIN))
        streams.write(to_terminal(runs) + ("…" if left_out else "") + "\n", reading.source(row))
    flush_quietly(sys.stdout)
    flush_quietly(sys.stderr)


def _was_shown(error: BaseException) -> bool:
    """Tell whether the shell has just shown the traceback of an error, or of one it led to."""
    shown: BaseException | None = getattr(sys, "last_value", None)
    seen: list[BaseException] = []
    while shown is not None and shown not in seen:
        if shown is error:
            return True
        seen.append(shown)
        shown = shown.__cause__ or shown.__context__
    return False
