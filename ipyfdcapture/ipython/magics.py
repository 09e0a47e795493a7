"""The two magics: each parses its line and hands the work to the module that does it.

``%%capture_fd`` comes here only where the input transformer does not reach: under another cell
magic, such as ``%%time``. As the first line of a cell it is `CaptureFdMagics.begin_cell`.
"""

from __future__ import annotations

import contextlib
import keyword
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.error import UsageError
from IPython.core.magic import no_var_expand

from .captures import Captures
from .cells import Cells, identity_of
from .first_use import load
from .names import ABOUT, MAGIC

# What the methods import is there once `load` has returned.
if TYPE_CHECKING:
    from ..log.captured import Captured
    from .options import MagicOptions
    from .scope import Scope

_LINE_MAGIC_ONLY = ("recover", "every_cell", "off")


_Magic = TypeVar("_Magic", bound=Callable[..., Any])


def _explained(magic: _Magic) -> _Magic:
    """Give a magic what ``?`` shows: its options too, which are read only then."""
    magic.__doc__ = ABOUT
    magic.getdoc = _help  # type: ignore[attr-defined]  # IPython asks for it in place of `__doc__`
    return magic


def _help() -> str:
    from .options import HELP

    return HELP


class CaptureFdMagics:
    """``%capture_fd`` and ``%%capture_fd`` of one shell."""

    def __init__(self, captures: Captures, cells: Cells) -> None:
        self._captures = captures
        self._cells = cells

    @_explained
    @no_var_expand  # the statement is the user's own: ``{x}`` and ``$x`` mean what they say there
    def line_magic(self, line: str) -> Any:
        load()
        from .options import HELP, check_statement, parse_options, split_statement, split_words
        from .scope import Scope

        scope = Scope.of_caller(self._captures.shell)
        text, statement = split_statement(line)
        words = split_words(scope.expand(text))
        options = parse_options(words)
        if options.help:
            return print(HELP)
        if options.recover is not None:  # what follows is no statement: its number, more options
            return self._recover(parse_options(words + split_words(statement)))
        if options.every_cell or options.off:
            return self._switch_every_cell(options, statement)
        check_statement(statement, words)
        self._check_is_no_name(statement, scope)
        return self._run(options, scope.compile(statement, is_line=True))

    def _check_is_no_name(self, statement: str, scope: Scope) -> None:
        """Refuse a name on its own: that of a log, or one that is not known."""
        if not statement.isidentifier() or keyword.iskeyword(statement):
            return
        from ..log.captured import Captured
        from .options import option_meant

        option = option_meant(f"--{statement}")
        if option is not None and not any(statement in names for names in scope.own_names):
            raise UsageError(f"%{MAGIC} {statement} runs nothing: did you mean %{MAGIC} {option}?")
        with contextlib.suppress(LookupError):
            if not isinstance(scope.get(statement), Captured):
                return
        raise UsageError(
            f"%{MAGIC} {statement} runs nothing: for a cell, did you mean %%{MAGIC} {statement} "
            f"on its first line? For a statement: %{MAGIC} -v {statement} STATEMENT"
        )

    @_explained
    @no_var_expand  # as it is done for the line magic
    def cell_magic(self, line: str, cell: str) -> Any:
        load()
        from .options import HELP, check_body, parse_options, split_words
        from .scope import Scope

        scope = Scope.of_caller(self._captures.shell)
        options = parse_options(split_words(scope.expand(line)))
        if options.help:
            return print(HELP)
        check_body(is_empty=not cell.strip())
        return self._run(options, scope.compile(cell, is_line=False))

    def begin_cell(self, line: str, is_empty: bool) -> None:
        """Begin the capture of the cell that is running. Raises `UsageError`."""
        load()
        from .on_error import Failure
        from .options import HELP, check_body, parse_options, split_words

        cell = self._cells.innermost
        if cell is None:
            raise UsageError(f"%%{MAGIC} is for a cell")
        options = parse_options(split_words(line))
        if options.help:
            print(HELP)
            return
        for option in _LINE_MAGIC_ONLY:
            if getattr(options, option):
                word = "--" + option.replace("_", "-")
                raise UsageError(f"{word} is for the line magic: %{MAGIC} {word}")
        check_body(is_empty)
        failures = cell.failures

        def on_end(captured: Captured, failed: bool) -> None:
            self._captures.bind(captured, options.name)
            if failed:
                failures.append(Failure(captured, options))

        capture = self._captures.make(options, identity_of(cell, self._captures.shell))
        self._cells.begin_capture(cell, capture, on_end)
        self._captures.show(capture, options)

    def _run(self, options: MagicOptions, run: Callable[[], Any]) -> Any:
        from .on_error import Failure
        from .statement import run_captured

        cell = self._cells.innermost

        def on_end(captured: Captured, error: BaseException | None) -> None:
            self._captures.bind(captured, options.name)
            if error is not None and cell is not None:
                # The traceback is yet to be shown, unless somebody catches the error before.
                cell.failures.append(Failure(captured, options, error))

        capture = self._captures.make(options)
        show = partial(self._captures.show, capture, options)
        return run_captured(capture, run, cell, on_end, show)

    def _recover(self, options: MagicOptions) -> None:
        from .recover import recover

        captures = self._captures
        captured = recover(options, captures.notebook, captures.config.spool_dir)
        if captured is not None:
            captures.bind(captured, options.name)

    def _switch_every_cell(self, options: MagicOptions, statement: str) -> None:
        is_more = bool(statement) and not statement.startswith("#")
        if is_more or (options.every_cell and options.off):
            raise UsageError(f"%{MAGIC} --every-cell and %{MAGIC} --off stand alone")
        self._captures.config.every_cell = options.every_cell
