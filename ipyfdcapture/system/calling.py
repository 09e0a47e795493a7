"""Calling several functions, whatever one of them raises."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def call_all(functions: Iterable[Callable[[], object] | None]) -> None:
    """Call each function in turn; None stands for no function.

    One that fails does not keep the others from being called. Then the last exception is raised,
    with those before it as its context.
    """
    failed: BaseException | None = None
    for function in functions:
        try:
            if function is not None:
                function()
        except BaseException as error:
            _add_context(error, failed)
            failed = error
    if failed is not None:
        try:
            raise failed
        finally:
            del failed  # it refers to this frame


def _add_context(error: BaseException, context: BaseException | None) -> None:
    """Put ``context`` at the end of the chain of contexts of ``error``."""
    seen = {id(context)}
    while error.__context__ is not None and id(error) not in seen:
        seen.add(id(error))
        error = error.__context__
    if id(error) not in seen:
        error.__context__ = context
