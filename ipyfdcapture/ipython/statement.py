"""Running a statement, or a cell below another magic, in a capture of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..capture.session import CaptureSession
from ..log.captured import Captured
from .captures import start
from .cells import Cell
from .prompts import let_prompts_through


def run_captured(
    capture: CaptureSession,
    run: Callable[[], Any],
    cell: Cell | None,
    on_end: Callable[[Captured, BaseException | None], None],
    on_start: Callable[[], None],
) -> Any:
    """Run code in a capture, and return what it returns.

    Parameters
    ----------
    capture
        The capture, not yet started.
    run
        Runs the code, and returns the value of its last expression.
    cell
        The cell that it is run in. It stops the capture if an interrupt hit the stop.
    on_end
        Called with the log and the error that ended the code, unless the capture did not start.
    on_start
        Called when the capture has started.

    Raises
    ------
    UsageError
        If the capture cannot start; the code has not run then.
    """
    statements = cell.statements if cell is not None else []
    statements.append(capture)
    try:
        start(capture)
        let_prompts_through(capture)
        on_start()
        result = run()
    except BaseException as error:
        if capture.is_active:
            _end(capture, error, on_end)
        statements.remove(capture)
        raise
    _end(capture, None, on_end)
    statements.remove(capture)  # not in a finally: if an interrupt hits the stop, the cell stops it
    return result


def _end(
    capture: CaptureSession,
    error: BaseException | None,
    on_end: Callable[[Captured, BaseException | None], None],
) -> None:
    """Stop a capture; its log is bound even if a warning of the stop is an error."""
    try:
        interrupted = isinstance(error, KeyboardInterrupt)
        capture.stop(failed=error is not None, interrupted=interrupted)
    finally:
        if not capture.is_active:  # else: the stop was cut short, and the cell stops it
            on_end(capture.captured, error)
