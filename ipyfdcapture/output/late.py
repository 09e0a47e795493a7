"""The descriptor for late output: what a child writes once its log is no longer kept."""

from __future__ import annotations

import contextlib

from ..system.descriptors import STREAM_NAMES, duplicate
from .foreign import attribute_of
from .proxy import process_stream
from .redirect import dup_base


def open_late_output(fd: int) -> int | None:
    """Return a new descriptor for what a process writes once its log is no longer kept.

    Not the capture that this one is nested in: that would not be complete while the writer lives.
    In a kernel, descriptors 1 and 2 lead to a pipe of ipykernel's that ends with it; what it
    was started with is kept in its `OutStream`.
    """
    stream = process_stream(STREAM_NAMES[fd]) if fd in STREAM_NAMES else None
    behind = attribute_of(stream, "_original_stdstream_copy")
    if isinstance(behind, int):
        with contextlib.suppress(OSError):
            return duplicate(behind)
    return dup_base(fd)
