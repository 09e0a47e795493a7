"""Objects that are known for as long as somebody else holds them.

`weakref.WeakSet` calls Python code whenever one goes: an interrupt that came just then would be
lost. Nothing here does.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Living(Generic[T]):
    """A set of objects that does not hold them. Threads may share it."""

    def __init__(self) -> None:
        self._references: set[weakref.ref[T]] = set()

    def add(self, thing: T) -> None:
        """Know an object from now on."""
        self._references.add(weakref.ref(thing, self._references.discard))

    def __iter__(self) -> Iterator[T]:
        """Yield those that are there."""
        for reference in self._references.copy():
            thing = reference()
            if thing is not None:
                yield thing
