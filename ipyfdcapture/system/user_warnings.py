"""Warnings that the user sees each time."""

from __future__ import annotations

import sys
import warnings


def warn_user(message: str) -> None:
    """Show a `RuntimeWarning` of whoever calls this.

    By default `warnings.warn` shows one text of one line of code once. So a second helper that is
    killed, or the second capture whose callback fails, would go without a word.
    """
    caller = sys._getframe(1)
    warnings.warn_explicit(
        message,
        RuntimeWarning,
        caller.f_code.co_filename,
        caller.f_lineno,
        caller.f_globals.get("__name__"),
        registry={},  # what was shown before: nothing
    )
