"""The error that a capture raises when it cannot begin."""

from __future__ import annotations


class CaptureError(RuntimeError):
    """A capture could not begin; nothing was changed. The message is one line."""
