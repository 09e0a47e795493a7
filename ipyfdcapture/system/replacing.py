"""Code around the calls of a method that is not ours, for as long as it is wanted.

What several parties put around one method may be taken away in any order; after the last, the
method is the one that was found.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

#: Gets the arguments of a call; is entered before the call, and left after it.
Layer = Callable[..., contextlib.AbstractContextManager[object]]

_MISSING = object()
_lock = threading.Lock()


class _Surrounded:
    """A method of an object or a class, with layers around it."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner = owner
        self.name = name
        self.layers: list[Layer] = []
        self._before = vars(owner).get(name, _MISSING)
        usual = getattr(owner, name)

        def surrounded(*args: Any, **kwargs: Any) -> Any:
            with contextlib.ExitStack() as entered:
                for layer in list(self.layers):
                    entered.enter_context(layer(*args, **kwargs))
                return usual(*args, **kwargs)

        self._surrounded = surrounded
        setattr(owner, name, surrounded)

    @property
    def is_in_place(self) -> bool:
        """Whether nobody has replaced the method since."""
        return vars(self.owner).get(self.name) is self._surrounded

    def restore(self) -> None:
        """Put back what was found, unless somebody has replaced the method since."""
        if not self.is_in_place:
            return
        if self._before is _MISSING:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self._before)


_surrounded: dict[tuple[int, str], _Surrounded] = {}


def around(owner: Any, name: str, layer: Layer, outermost: bool = False) -> Callable[[], None]:
    """Enter ``layer(*args, **kwargs)`` around each call of a method; return what ends that.

    Later layers are entered after earlier ones, but for one that is to be ``outermost``.
    """
    key = (id(owner), name)
    with _lock:
        found = _surrounded.get(key)
        if found is None or not found.is_in_place:
            found = _surrounded[key] = _Surrounded(owner, name)
        found.layers.insert(0 if outermost else len(found.layers), layer)
    method = found

    def end() -> None:
        with _lock:
            method.layers.remove(layer)
            if not method.layers:
                method.restore()
                if _surrounded.get(key) is method:
                    del _surrounded[key]

    return end
