"""The style sheets of the views, as they stand in an output."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def style_sheet(name: str) -> str:
    """Return a style sheet without the comment at its beginning, which is for who changes it."""
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return text.partition("*/\n")[2]
