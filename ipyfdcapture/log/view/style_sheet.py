"""The style sheets of the views, as they stand in an output."""

from __future__ import annotations

from functools import cache

from ...system.data_files import read_data_file


@cache
def style_sheet(name: str) -> str:
    """Return a style sheet without the comment at its beginning, which is for who changes it."""
    return read_data_file(__package__, name).partition("*/\n")[2]
