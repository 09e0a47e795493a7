"""The error that a capture raises when it cannot begin, and the words for why."""

from __future__ import annotations

import errno


class CaptureError(RuntimeError):
    """A capture could not begin; nothing was changed. The message is one line."""


def reason(error: OSError) -> str:
    """Return why the system refused something, for one line."""
    if error.errno == errno.EMFILE:
        return "this process has too many open files (see ulimit -n)"
    where = f"{error.filename}: " if isinstance(error.filename, str) else ""
    return where + (error.strerror or str(error))
