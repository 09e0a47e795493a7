"""Where a statement was typed: the names that it sees, and the line that it stands on.

``%capture_fd f(x)`` in a function sees the function's variables, as ``%time f(x)`` does. Code that
has scopes of its own (a comprehension, a lambda) sees them too, and never a global in their place:
in a function the statement is compiled as the body of a function that has them as parameters.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import keyword
import linecache
import re
import sys
from collections import ChainMap
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from .cells import cell_number
from .names import MAGIC
from .options import expand

#: Code of a function's own, that sees what the function sees.
_COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
#: What IPython makes of ``y = %capture_fd ...``.
_ASSIGNED = re.compile(rf"\s*[^=#'\"]+=\s*get_ipython\(\)\.run_line_magic\('{MAGIC}'")


class Scope:
    """The names and the line of whoever called a magic.

    Parameters
    ----------
    shell
        The shell of the magic.
    frame
        The frame that the magic was called from.
    """

    def __init__(self, shell: InteractiveShell, frame: FrameType) -> None:
        self._shell = shell
        self._frame = frame
        in_function = _is_in_function(frame)
        #: The variables of the function that the magic is in; None: it is not in one.
        self._variables = _variables_of(frame) if in_function else None
        is_users = frame.f_globals is shell.user_global_ns
        self._names: Any = frame.f_locals if is_users and not in_function else shell.user_ns

    @classmethod
    def of_caller(cls, shell: InteractiveShell) -> Scope:
        """Return the scope that a magic, our caller, was called from."""
        frame = sys._getframe(2)
        while frame.f_back is not None and frame.f_globals["__name__"] == _SHELLS_MODULE:
            frame = frame.f_back
        return cls(shell, frame)

    @property
    def own_names(self) -> tuple[Mapping[str, Any], ...]:
        """The names that the user has given a meaning to."""
        return (self._variables or {}, self._names, self._shell.user_global_ns)

    def get(self, name: str) -> Any:
        """Return what a name means here. Raises `LookupError` if it means nothing."""
        places: Any = (*self.own_names, vars(builtins))
        return ChainMap(*places)[name]

    def expand(self, text: str) -> str:
        """Expand ``{name}`` and ``$name`` in options. Raises `UsageError` if one is not known."""
        return expand(text, {**self._shell.user_ns, **self._names, **(self._variables or {})})

    @property
    def _is_assigned(self) -> bool:
        line = linecache.getline(self._frame.f_code.co_filename, self._frame.f_lineno)
        return _ASSIGNED.match(line) is not None

    def compile(self, code: str, is_line: bool) -> Callable[[], Any]:
        """Return what runs code here, and returns the value of its last expression.

        Parameters
        ----------
        code
            A statement, or the body of a cell.
        is_line
            Whether it stands on the line of the magic.

        Raises
        ------
        SyntaxError
            If it is no Python.
        UsageError
            If it needs what a magic cannot give: to wait, or a value that it does not have.
        """
        shell = self._shell
        source = shell.transform_cell(code)
        # A statement has the number of its line in the cell.
        above = "\n" * (self._frame.f_lineno - 1) if is_line else ""
        name = shell.compile.cache(above + source, cell_number(shell), raw_code=above + code)
        tree = shell.compile.ast_parse(above + source, filename=name)
        if _awaits(tree):
            raise UsageError(
                f"%{MAGIC} cannot await: put %%{MAGIC} on the first line of the cell instead"
            )
        tree = shell.transform_ast(tree)
        has_value = bool(tree.body) and isinstance(tree.body[-1], ast.Expr)
        if not has_value and self._is_assigned:
            raise UsageError(
                f"{code.strip()!r} has no value that could be assigned: "
                f"give %{MAGIC} an expression, or a line of its own"
            )
        compiled: Any = shell.compile  # with the __future__ imports of earlier cells
        if self._variables is None:
            return self._at_top_level(compiled, tree, name)
        return self._in_function(compiled, tree, name, self._variables)

    def _at_top_level(self, compiled: Any, tree: ast.Module, name: str) -> Callable[[], Any]:
        last: ast.expr | None = None
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            last = tree.body.pop().value  # type: ignore[attr-defined]
        body = compiled(tree, name, "exec")
        value = None if last is None else compiled(ast.Expression(last), name, "eval")

        def run() -> Any:
            exec(body, self._shell.user_global_ns, self._names)
            return None if value is None else eval(value, self._shell.user_global_ns, self._names)

        return run

    def _in_function(
        self, compiled: Any, tree: ast.Module, name: str, variables: dict[str, Any]
    ) -> Callable[[], Any]:
        compiled(tree, name, "exec")  # what is no statement of a module (return) is none here
        declared = {
            each
            for node in ast.walk(tree)
            if isinstance(node, ast.Global | ast.Nonlocal)
            for each in node.names
        }
        given = {
            each: value
            for each, value in variables.items()
            if each.isidentifier() and not keyword.iskeyword(each) and each not in declared
        }
        wrapper = ast.parse(f"def _({', '.join(given)}): pass")
        function: Any = wrapper.body[0]
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            last = tree.body[-1]
            tree.body[-1] = ast.copy_location(ast.Return(last.value), last)
        function.body = tree.body or function.body
        made: dict[str, Any] = {}
        exec(compiled(wrapper, name, "exec"), self._shell.user_global_ns, made)
        call = made["_"]
        # Tracebacks show it as what was typed, which is no function.
        call.__code__ = _renamed(call.__code__)
        return lambda: call(**given)


_SHELLS_MODULE = InteractiveShell.__module__


def _is_in_function(frame: FrameType) -> bool:
    """Tell whether what runs here has variables of its own; a comprehension has, too."""
    return bool(frame.f_code.co_flags & inspect.CO_OPTIMIZED) or _is_in_comprehension(frame)


def _is_in_comprehension(frame: FrameType) -> bool:
    """Tell whether a comprehension runs in the frame of a module or a class.

    It does from Python 3.12 on (PEP 709). As long as it runs, each look at ``f_locals`` makes a new
    mapping; else it is the namespace of the module or class itself.
    """
    return not frame.f_code.co_flags & inspect.CO_OPTIMIZED and frame.f_locals is not frame.f_locals


def _variables_of(frame: FrameType) -> dict[str, Any]:
    """Return the variables of a function; in a comprehension, those of its function too."""
    variables = dict(frame.f_locals)
    if _is_in_comprehension(frame):  # Python 3.12 has those of the module or class among them
        own = {*frame.f_code.co_varnames, *frame.f_code.co_cellvars}
        return {name: value for name, value in variables.items() if name in own}
    while frame.f_code.co_name in _COMPREHENSIONS and frame.f_back is not None:
        frame = frame.f_back
        if not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            break
        variables = {**frame.f_locals, **variables}
    return variables


def _awaits(tree: ast.AST) -> bool:
    """Tell whether code would have to wait itself, outside functions that it defines."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
            return True
        if isinstance(node, ast.comprehension) and node.is_async:
            return True
        own = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if not own and _awaits(node):
            return True
    return False


def _renamed(code: CodeType) -> CodeType:
    names = {"co_name": "<module>"}
    if sys.version_info >= (3, 11):
        names["co_qualname"] = "<module>"
    return code.replace(**names)  # type: ignore[arg-type]
