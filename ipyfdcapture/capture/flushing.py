"""Flush what Python and native code hold in their buffers: Python's was written first."""

from __future__ import annotations

import sys

from ..output import cstdio
from ..output.foreign import flush_quietly
from ..output.hooked import is_empty
from ..output.proxy import process_stream


def flush_all() -> None:
    """Flush all buffers, before the descriptors change hands."""
    for name in ("stdout", "stderr"):
        stream = process_stream(name)
        if not is_empty(stream):
            flush_quietly(stream)
        usual = getattr(sys, f"__{name}__", None)
        if usual is not stream:
            flush_quietly(usual)
    cstdio.flush_python()
    cstdio.flush_native()


def flush_for_a_look() -> bool:
    """Flush from whatever thread looks, without disturbing whoever is writing.

    Returns whether something waited.
    """
    waited = bool(cstdio.waiting or cstdio.stdout_pending())
    cstdio.flush_python()
    cstdio.flush_beside_writers()
    return waited
