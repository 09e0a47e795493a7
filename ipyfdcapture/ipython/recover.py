"""``%capture_fd --recover``: what crashed kernels of this notebook left."""

from __future__ import annotations

import datetime

from IPython.core.error import UsageError

from ..errors import CaptureError
from ..log.captured import Captured
from ..log.view.ansi import plain
from ..recording import crashes
from .options import MagicOptions

#: The last words of a log are looked for in so many bytes at its end, and cut to so many
#: characters.
_END_BYTES = 500
_LAST_WORDS = 100


def recover(options: MagicOptions, notebook: str, spool_dir: str) -> Captured | None:
    """Print the list of recordings, or return the log of the one that was asked for."""
    find = crashes.find_all if options.all else crashes.find
    paths = find(notebook, spool_dir)
    if not paths:
        whose = "" if options.all else " of this notebook"
        print(f"No crashed kernel{whose} has left a recording.")
        return None
    if options.recover == "list" and options.name is None:
        for position, path in enumerate(paths, 1):
            print(f"{position}  {describe(path)}")
        return None
    path = paths[_position(options.recover, len(paths)) - 1]
    try:
        return Captured(crashes.load(path, spool_dir))
    except CaptureError as error:
        raise UsageError(f"--recover: {error}") from error


def _position(given: str | None, count: int) -> int:
    """Return which recording was asked for, 1 for the newest. Raises `UsageError`."""
    if given in (None, "list"):
        return 1
    if not given.isdecimal() or not 1 <= int(given) <= count:
        raise UsageError(f"--recover {given}: give a number from 1 to {count}")
    return int(given)


def describe(path: str) -> str:
    """Return one line on a recording: when, which cell, how much, its last words.

    For a recording that cannot be read, the line says why.
    """
    try:
        with crashes.opened(path) as recording:
            nbytes, end = recording.nbytes(), recording.end(_END_BYTES)
            metadata = recording.metadata
    except CaptureError as error:
        return str(error)
    when = _when(metadata.crashed or 0)
    first_line = plain(metadata.first_line or "")
    unnamed = "its metadata is lost" if metadata.reconstructed else "a capture"
    where = f"cell [{metadata.cell}] {first_line}" if metadata.cell else first_line or unnamed
    if metadata.index_lost:
        where += " (its index is lost)"
    return f"{when}  {where.strip()}  {nbytes:,} bytes  last line: {_last_line(end)}"


def _when(time_ns: int) -> str:
    try:
        return f"{datetime.datetime.fromtimestamp(time_ns / 1e9):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):  # damage: no year has such a number
        return "at an unknown time"


def _last_line(end: bytes) -> str:
    lines = [plain(line) for line in end.decode("utf-8", "replace").split("\n")]
    return next((line for line in reversed(lines) if line.strip()), "").strip()[-_LAST_WORDS:]
