"""Replacing an attribute that is not ours, and putting it back only if it is still ours.

Three ways, from the plain one up:

- `Swap`: an attribute of a module, a class or an object has another value;
- `intercept`: a function of ours is called in place of another, and may call that one;
- `around`: context managers are entered around each call of a function.

All keep these rules:

- **Any order, any thread.** Swaps of one attribute stand on each other. One that is undone
  below another leaves its original to that one.
- **What others put on top stays.** It may call what it found, which is ours. So what was put
  with `intercept` or `around` and is undone calls the original, and does nothing else.
- **As it was.** An attribute that the owner did not have itself (a method of its class) is
  deleted again; a ``staticmethod`` comes back as one; what has a setter (a property, a trait, a
  slot) is set.
"""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Callable
from typing import Any

from .forking import fork_safe_lock


class Unbound(functools.partial[Any]):
    """A function that no class makes a method of: it stands in for one that none does either.

    Those are the functions written in C, and bound methods. A pickle of it is its name.
    """

    __name__: str

    def __get__(self, *_: object) -> Unbound:
        """Return itself. From Python 3.14 on, a `functools.partial` would bind."""
        return self

    def __reduce__(self) -> Any:
        return self.__name__


#: Gets the arguments of a call; is entered before the call, and left after it.
Layer = Callable[..., contextlib.AbstractContextManager[object]]

_MISSING: Any = object()
_lock = fork_safe_lock()


class Swap:
    """An attribute that has another value from `put` to `undo`.

    Parameters
    ----------
    owner
        A module, a class or an object.
    name
        The attribute. It may be missing, and is deleted again then.

    Examples
    --------
    >>> import sys
    >>> swap = Swap(sys, "ps1").put("> ")
    >>> sys.ps1
    '> '
    >>> swap.undo()
    True
    >>> hasattr(sys, "ps1")
    False
    """

    def __init__(self, owner: Any, name: str) -> None:
        self.owner = owner
        self.name = name
        #: From `put` on: what the attribute was, as ``getattr`` gives it; None if it was missing.
        #: To be read at the time of use: it changes when a swap below is undone.
        self.original: Any = None
        self._original_stored: Any = _MISSING
        self._value: Any = _MISSING
        self._has_setter = False
        #: Whether it was put and is not undone.
        self.is_active = False

    def put(self, value: Any) -> Swap:
        """Give the attribute its new value. Once; after `undo`, once more."""
        with _lock:
            if self.is_active:
                raise RuntimeError(f"{self.name} is swapped already")
            self._has_setter = _has_setter(self.owner, self.name)
            stored = self._original_stored = self._stored()
            is_plain = type(self.owner) is types.ModuleType and stored is not _MISSING
            self.original = stored if is_plain else getattr(self.owner, self.name, None)
            self._value = value
            self.is_active = True
            _active.setdefault((id(self.owner), self.name), []).append(self)
            try:
                setattr(self.owner, self.name, value)
            except BaseException:
                self.undo()
                raise
        return self

    def change(self, value: Any) -> None:
        """Give the attribute another value, unless somebody else has replaced ours since."""
        with _lock:
            if self.is_active and self.is_in_place:
                setattr(self.owner, self.name, value)
                self._value = value

    @property
    def is_in_place(self) -> bool:
        """Whether the attribute still has the value that was put."""
        return self._value is not _MISSING and self._stored() is self._value

    def undo(self) -> bool:
        """Put the original back, unless somebody else has replaced ours since. Idempotent.

        Returns whether it is back.
        """
        with _lock:
            if not self.is_active:
                return False
            self.is_active = False
            key = (id(self.owner), self.name)
            others = _active[key]
            others.remove(self)
            if not others:
                del _active[key]
            elif above := [swap for swap in others if swap._original_stored is self._value]:
                for swap in above:
                    swap.original, swap._original_stored = self.original, self._original_stored
                return False
            if not self.is_in_place:
                return False
            if self._original_stored is _MISSING:
                delattr(self.owner, self.name)
            else:
                setattr(self.owner, self.name, self._original_stored)
            return True

    def _stored(self) -> Any:
        """Return what the owner itself has under the name, not what its class makes of it."""
        if self._has_setter:
            return getattr(self.owner, self.name, _MISSING)
        return getattr(self.owner, "__dict__", {}).get(self.name, _MISSING)


#: The swaps that are not undone, by the number of their owner and the name of the attribute.
_active: dict[tuple[int, str], list[Swap]] = {}


class Interception:
    """A function of ours that is called in place of another, from each `put` to the next `undo`.

    Parameters
    ----------
    owner
        A module, a class or an object.
    name
        Its function or method.
    handler
        Is called with the original, then the arguments of the call. What it returns or raises is
        the result of the call.
    """

    def __init__(self, owner: Any, name: str, handler: Callable[..., Any]) -> None:
        self._swap = Swap(owner, name)
        self._handler = handler
        self._function: Any = None  # made once for what it stands in for: that takes long

    def put(self) -> Interception:
        """Begin. Raises `AttributeError` if there is no such function."""
        original = getattr(self._swap.owner, self._swap.name)
        if self._function is None or self._function.__wrapped__ is not original:
            self._function = self._make(original)
        self._swap.put(self._function)
        return self

    def _make(self, original: Any) -> Any:
        swap, handler = self._swap, self._handler

        @functools.wraps(original)
        def intercepted(*args: Any, **kwargs: Any) -> Any:
            if not swap.is_active:
                return swap.original(*args, **kwargs)
            return handler(swap.original, *args, **kwargs)

        return intercepted

    def undo(self) -> None:
        """End, unless it has. Idempotent."""
        if self._swap.is_active and not self._swap.undo():
            # Somebody may keep the function in what they put on top: it is not used again.
            self._function = None
            self._swap = Swap(self._swap.owner, self._swap.name)


def intercept(owner: Any, name: str, handler: Callable[..., Any]) -> Callable[[], None]:
    """Have calls of a function go through ``handler``; return what undoes that.

    See `Interception` for the parameters.

    Raises
    ------
    AttributeError
        If there is no such function.

    Examples
    --------
    >>> import os
    >>> undo = intercept(os, "getpid", lambda original: -original())
    >>> os.getpid() < 0
    True
    >>> undo()
    >>> os.getpid() < 0
    False
    """
    return Interception(owner, name, handler).put().undo


def around(owner: Any, name: str, layer: Layer, outermost: bool = False) -> Callable[[], None]:
    """Enter ``layer(*args, **kwargs)`` around each call of a function; return what undoes that.

    Parameters
    ----------
    owner
        A module, a class or an object.
    name
        Its function or method.
    layer
        Returns a context manager for a call with these arguments.
    outermost
        Whether to enter it before those that are there; else, and by default, after them.

    Raises
    ------
    AttributeError
        If there is no such function.
    """
    key = (id(owner), name)
    with _lock:
        layers = _layers.get(key)
        if layers is None or not layers.swap.is_in_place:
            layers = _layers[key] = _Layers(owner, name)
        layers.entered.insert(0 if outermost else len(layers.entered), layer)
    mine = layers

    def undo() -> None:
        with _lock:
            if layer not in mine.entered:
                return
            mine.entered.remove(layer)
            if not mine.entered:
                mine.swap.undo()
                if _layers.get(key) is mine:
                    del _layers[key]

    return undo


class _Layers:
    """A function with layers around it."""

    def __init__(self, owner: Any, name: str) -> None:
        self.entered: list[Layer] = []
        self.swap = Swap(owner, name)
        original = getattr(owner, name)

        def surrounded(*args: Any, **kwargs: Any) -> Any:
            with contextlib.ExitStack() as entered:
                for layer in list(self.entered):
                    entered.enter_context(layer(*args, **kwargs))
                return self.swap.original(*args, **kwargs)

        never_binds = isinstance(original, (types.MethodType, Unbound))
        binds = hasattr(type(original), "__get__") and not never_binds
        stand_in: Any = surrounded if binds else Unbound(surrounded)
        self.swap.put(functools.update_wrapper(stand_in, original))


_layers: dict[tuple[int, str], _Layers] = {}


def _has_setter(owner: Any, name: str) -> bool:
    """Tell whether something in the class of an object (a property, a trait, a slot) sets it."""
    if type(owner) is types.ModuleType:
        return False
    for cls in type(owner).__mro__:
        if name in cls.__dict__:
            return hasattr(type(cls.__dict__[name]), "__set__")
    return False
