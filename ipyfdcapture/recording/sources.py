"""The names of sources: ``stdout``, ``stderr``, ``solver/stderr`` of a labelled child."""

from __future__ import annotations


def is_stderr(source: str) -> bool:
    """Tell whether a source is somebody's stderr."""
    return source == "stderr" or source.endswith("/stderr")


def label_of(source: str) -> str:
    """Return the label of a labelled child's source, or an empty string."""
    return source.rpartition("/")[0]
