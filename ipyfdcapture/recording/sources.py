"""The names of sources.

``stdout``, ``stderr``; ``solver/stderr`` of a labelled child; ``cell 3/stdout`` of a process that
was kept from an earlier cell (``capture 3/stdout``: from a capture that was no cell's).
"""

from __future__ import annotations

import re

_ORIGIN = re.compile(r"(?:cell|capture) \d+/")


def is_stderr(source: str) -> bool:
    """Tell whether a source is somebody's stderr."""
    return source == "stderr" or source.endswith("/stderr")


def label_of(source: str) -> str:
    """Return the label of a labelled child's source, or an empty string."""
    return without_origin(source).rpartition("/")[0]


def origin_of(cell: int | None, number: int) -> str:
    """Return where a kept process comes from: the cell, or the number of the capture."""
    return f"capture {number}" if cell is None else f"cell {cell}"


def without_origin(source: str) -> str:
    """Return what a kept process's source is called in the log of its own cell."""
    return _ORIGIN.sub("", source, count=1) if _ORIGIN.match(source) else source


def streams_of(source: str) -> frozenset[str]:
    """Return the streams that a source may be: ``stdout``, ``stderr``, or both if merged."""
    return frozenset(source.rpartition("/")[2].split("+"))
