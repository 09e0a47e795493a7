"""Waiting with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: No wait in the suite is longer than this (s); a machine under load needs some of it.
LIMIT_S = 60.0
_PAUSE_S = 0.01


def eventually(look: Callable[[], T], what: str, timeout: float = LIMIT_S) -> T:
    """Return the first true value of ``look()``; fail once ``timeout`` (s) has passed.

    The last resort, for what cannot be waited for.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = look()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what} (last seen: {value!r})")
        time.sleep(_PAUSE_S)
