"""Sizes as users write them: ``100M``."""

from __future__ import annotations

import re

SIZE_HELP = "a number of bytes above 0, such as 65536, 64K, 100M, 1.5G or 10MB"
_SIZE = r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?B)?"
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_size(text: str | int) -> int:
    """Return a size in bytes. Raises `ValueError` that says what is accepted.

    ``64K`` and ``64KiB`` are 65536. ``10MB`` is ten million, as in the sizes that views show.

    Examples
    --------
    >>> parse_size("64K"), parse_size("1.5G"), parse_size("10MB")
    (65536, 1610612736, 10000000)
    """
    if type(text) is int and text > 0:  # most defaults: `%load_ext` compiles no expression
        return text
    match = re.fullmatch(_SIZE, str(text).strip(), re.IGNORECASE)
    size = 0
    if match:
        number, prefix, suffix = match[1], match[2].upper(), (match[3] or "").upper()
        unit: int = (1000 if suffix == "B" else 1024) ** _POWERS[prefix]
        size = int(number) * unit if number.isdecimal() else round(float(number) * unit)
    if size < 1:
        raise ValueError(f"{text!r} is not a size: give {SIZE_HELP}")
    return size
