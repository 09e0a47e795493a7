"""Pickles that can still be read when the code has moved.

A pickle names what makes an object again by its module. All objects of a log name one function,
`restore`, under the package's own name, and the object by a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_makers: dict[str, Callable[..., Any]] = {}


def pickled(name: str, make: Callable[..., Any]) -> None:
    """Register what makes objects of one kind again. The name is written into pickles."""
    _makers[name] = make


def restore(name: str, *arguments: Any) -> Any:
    """Make an object again: ``pickle`` calls it."""
    return _makers[name](*arguments)


# The package's root imports it under this name.
restore.__module__ = "ipyfdcapture"
restore.__qualname__ = restore.__name__ = "_restore"
