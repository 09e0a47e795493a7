"""Objects that are known for as long as somebody else holds them.

`weakref.WeakSet` and `weakref.WeakKeyDictionary` call Python code whenever one goes: an interrupt
that came just then would be lost. Nothing here does.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
V = TypeVar("V")


class Living(Generic[T]):
    """A set of objects that does not hold them. Threads may share it."""

    def __init__(self) -> None:
        self._references: set[weakref.ref[T]] = set()

    def add(self, thing: T) -> None:
        """Know an object from now on."""
        self._references.add(weakref.ref(thing, self._references.discard))

    def discard(self, thing: T) -> None:
        """Know it no more, if it was known."""
        self._references.discard(weakref.ref(thing))

    def clear(self) -> None:
        """Know none."""
        self._references.clear()

    def __contains__(self, thing: T) -> bool:
        return weakref.ref(thing) in self._references

    def __iter__(self) -> Iterator[T]:
        """Yield those that are there."""
        for reference in self._references.copy():
            thing = reference()
            if thing is not None:
                yield thing


class LivingKeys(Generic[T, V]):
    """A mapping by objects that it does not hold. Threads may share it."""

    def __init__(self) -> None:
        self._values: dict[weakref.ref[T], V] = {}

    def __setitem__(self, thing: T, value: V) -> None:
        self._values[weakref.ref(thing, self._values.pop)] = value

    def get(self, thing: T) -> V | None:
        """Return the value of an object; None if it has none."""
        return self._values.get(weakref.ref(thing))

    def clear(self) -> None:
        """Know none."""
        self._values.clear()
