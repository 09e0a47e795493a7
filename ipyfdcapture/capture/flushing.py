"""Flush what Python and native code hold in their buffers: Python's was written first."""

from __future__ import annotations

from ..output import cstdio
from ..output.foreign import flush_quietly
from ..output.proxy import process_stream


def flush_all() -> None:
    """Flush all buffers, before the descriptors change hands."""
    flush_quietly(process_stream("stdout"))
    flush_quietly(process_stream("stderr"))
    cstdio.flush_native()


def flush_for_a_look() -> bool:
    """Flush from a live view's thread, without disturbing whoever is writing.

    Returns whether something waited.
    """
    waited = bool(cstdio.waiting or cstdio.stdout_pending())
    flush_quietly(process_stream("stdout"))
    flush_quietly(process_stream("stderr"))
    cstdio.flush_beside_writers()
    return waited
