"""What pickles of logs name: it makes the objects again that these modules know how to make."""

from __future__ import annotations

from . import captured, line, timing  # noqa: F401
from .pickling import restore as _restore

__all__ = ["_restore"]
