"""Measures every Python that a test starts: ``measure.py`` puts this directory on the path.

The helper process is started without a path and without this (``-I -S -E``), by the path of its
program. So the module that starts it is given the path of another, which measures the real one.
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

_HOST = "ipyfdcapture.drain.host"
_MEASURED_HELPER = os.path.join(
    os.path.dirname(__file__), "ipyfdcapture-helper", "drain", "__main__.py"
)


class _HostFinder(importlib.abc.MetaPathFinder):
    """Finds the module as usual, and gives it the measured program once it is loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != _HOST:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_change(module: ModuleType) -> None:
                execute(module)
                module._HELPER = _MEASURED_HELPER  # type: ignore[attr-defined]

            spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _HostFinder())
coverage.process_startup()
