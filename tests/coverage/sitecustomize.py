"""Measures every Python that a test starts: ``measure.py`` puts this directory on the path.

The helper process is started without a path and without this (``-I -S -E``), by the path of
``pump.py``. So that module says here that it lies in ``ipyfdcapture_pump.py``, which measures the
real one.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType

import coverage

_PUMP = "ipyfdcapture.drain.pump"
_MEASURED_PUMP = os.path.join(os.path.dirname(__file__), "ipyfdcapture_pump.py")


class _PumpFinder(importlib.abc.MetaPathFinder):
    """Finds the pump as usual, and moves it once it is loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != _PUMP:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_move(module: ModuleType) -> None:
                execute(module)
                module.__file__ = _MEASURED_PUMP

            spec.loader.exec_module = execute_and_move  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _PumpFinder())
coverage.process_startup()
