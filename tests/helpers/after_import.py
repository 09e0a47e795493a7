"""Changing modules once they are imported, whoever imports them."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from types import ModuleType


def after_import(name: str, change: Callable[[ModuleType], object]) -> None:
    """Call ``change`` with the module of that name when it is imported."""
    sys.meta_path.insert(0, _Finder(name, change))


def replace_helper(program: str) -> None:
    """Have another program run in the place of the helper's.

    The helper process starts without a path and without what Python finds on it (``-I -S -E``), by
    the path of its program. A test run that has to reach into it gives a program of its own.
    """
    after_import("ipyfdcapture.drain.host", lambda host: setattr(host, "_HELPER", program))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the module as usual, and has it changed once it is loaded."""

    def __init__(self, name: str, change: Callable[[ModuleType], object]) -> None:
        self._name = name
        self._change = change

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_change(module: ModuleType) -> None:
                execute(module)
                self._change(module)

            spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec
