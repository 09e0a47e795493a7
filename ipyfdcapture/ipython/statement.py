"""Running a statement, or a cell below another magic, in a capture of its own."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from ..capture.session import CaptureSession
from ..log.captured import Captured
from .captures import start
from .cells import Cell


def run_captured(
    shell: InteractiveShell,
    capture: CaptureSession,
    code: str,
    cell: Cell | None,
    on_end: Callable[[Captured, BaseException | None], None],
) -> Any:
    """Run code in a capture, and return the value of its last expression.

    Parameters
    ----------
    shell
        Whose namespace the code runs in.
    capture
        The capture, not yet started.
    code
        What to run.
    cell
        The cell that it is run in. It stops the capture if an interrupt hit the stop.
    on_end
        Called with the log and the error that ended the code, unless the capture did not start.

    Raises
    ------
    UsageError
        If the capture cannot start; the code has not run then.
    """
    statements = cell.statements if cell is not None else []
    statements.append(capture)
    try:
        start(capture)
        result = _execute(shell, code)
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
        capture.stop(failed=error is not None)
    finally:
        if not capture.is_active:  # else: the stop was cut short, and the cell stops it
            on_end(capture.captured, error)


def _execute(shell: InteractiveShell, code: str) -> Any:
    """Run code in the user's namespace; return the value of its last expression."""
    source = shell.transform_cell(code)
    name = shell.compile.cache(source, shell.execution_count, raw_code=code)
    tree = shell.transform_ast(shell.compile.ast_parse(source, filename=name))
    last: ast.expr | None = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = tree.body.pop().value
    compiled: Any = shell.compile  # with the __future__ imports of earlier cells
    exec(compiled(tree, name, "exec"), shell.user_global_ns, shell.user_ns)
    if last is None:
        return None
    expression = compiled(ast.Expression(last), name, "eval")
    return eval(expression, shell.user_global_ns, shell.user_ns)
