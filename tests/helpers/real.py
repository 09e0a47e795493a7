"""Cells that run real libraries and programs, and what their logs hold."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from helpers.kernel import Kernel

_CELL_LIMIT_S = 300.0


def need(*modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f'{module} is not installed: pip install -e ".[test,real]"')


def capture(kernel: Kernel, code: str) -> str:
    """Run a captured cell to its end; return what it showed. Its log is in ``logs``."""
    reply = kernel.run(f"%%capture_fd -v logs\n{code}", timeout=_CELL_LIMIT_S)
    assert kernel.value("logs.complete and logs.dropped == 0")
    return reply.shown


def levels(kernel: Kernel) -> Any:
    return kernel.value("logs.levels()")


def grep(kernel: Kernel, *arguments: Any, **options: Any) -> Any:
    """Return the lines that ``logs.grep`` finds, as text."""
    return kernel.value(f"[str(line) for line in logs.grep(*{arguments!r}, **{options!r})]")
