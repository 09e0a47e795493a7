"""Meet a moment that lies amid what the package does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def at_moment(owner: Any, name: str, act: Callable[[], object]) -> None:
    """Have ``act`` called as ``owner.name`` is called next, once, before that does its work.

    Parameters
    ----------
    owner
        A module or a class.
    name
        The name of one of its functions, as whoever calls it looks it up.
    act
        For instance ``lambda: signal.raise_signal(signal.SIGINT)``. What it raises, the caller of
        the function meets.
    """
    original = getattr(owner, name)

    def met(*args: Any, **options: Any) -> Any:
        setattr(owner, name, original)
        act()
        return original(*args, **options)

    setattr(owner, name, met)
