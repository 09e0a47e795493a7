"""What a helper that is killed may lose: nothing, or without ``splice`` what it has in hand."""

from __future__ import annotations

import bisect
import os

#: On macOS, what a helper has read from a pipe is in its memory alone until it is written.
IS_LOST = not hasattr(os, "splice")
#: The most that a helper has in hand there: what a pipe holds.
_CHUNK_BYTES = 64 << 10


def assert_kept(found: bytes, expected: bytes) -> None:
    """Check that a log whose helper was killed once is whole; less a chunk without ``splice``."""
    if not IS_LOST:
        assert found == expected, (len(found), len(expected))
        return
    missing = len(expected) - len(found)
    first, last = _common(found, expected), _common(found[::-1], expected[::-1])
    assert 0 <= missing <= _CHUNK_BYTES, missing
    assert first + last >= len(found), (first, last, len(found), len(expected))


def _common(one: bytes, other: bytes) -> int:
    """Return how many bytes are the same at the start."""
    lengths = range(1, min(len(one), len(other)) + 1)
    return bisect.bisect_left(lengths, True, key=lambda n: one[:n] != other[:n])
