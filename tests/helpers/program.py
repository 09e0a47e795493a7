"""Tests in this process as in a program of its own: pytest's streams lead to no descriptor."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any


def in_a_program(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test with streams that lead to descriptors 1 and 2."""

    @functools.wraps(test)
    def run(*arguments: Any, **fixtures: Any) -> None:
        with contextlib.ExitStack() as streams:
            for fd, redirect in (
                (1, contextlib.redirect_stdout),
                (2, contextlib.redirect_stderr),
            ):
                streams.enter_context(redirect(open(fd, "w", closefd=False)))  # noqa: SIM115
            test(*arguments, **fixtures)

    return run
