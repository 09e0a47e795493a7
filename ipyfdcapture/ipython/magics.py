"""``%%capture_fd`` and ``%capture_fd``: parse the line, run the capture, bind the variable.

A ``%%capture_fd`` cell is not run by a magic. An input transformer turns its first line into a
statement on that line that begins the capture, leaves the rest of the cell alone, and the end of
the cell ends the capture. So the cell runs as itself: ``await``, errors, results, line numbers
and history are IPython's own. The registered cell magic serves where a transformer does not
reach: under another cell magic, such as ``%%time``.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import keyword
import linecache
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from IPython.core.error import UsageError
from IPython.core.inputtransformer2 import cell_magic as ipython_cell_magic
from IPython.core.inputtransformer2 import leading_indent
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import no_var_expand
from IPython.core.magic_arguments import MagicArgumentParser
from IPython.utils.process import arg_split  # type: ignore[attr-defined]
from traitlets import TraitError

from .. import history
from ..capture.session import Run, capture_fd
from ..drain.drain import KINDS, get_drain
from ..errors import CaptureError
from ..live.targets import make_progress, make_tail
from ..log.captured import Captured
from ..output.streams import outside
from ..recording import crashes
from ..system.interrupts import deferred_interrupts
from ..system.replacing import around
from .config import SIZE_HELP, CaptureFd, parse_size
from .on_error import show_last_lines, was_shown

MAGIC = "capture_fd"
LATEST = "_logs"
_MAGIC_LINE = re.compile(r"%%capture_fd(?=\s|$)")


# -- options --------------------------------------------------------------------------------------


class _Parser(MagicArgumentParser):
    """Says what is accepted when it does not accept something."""

    def error(self, message: str) -> Any:
        options = ", ".join(
            "/".join(action.option_strings) + (f" {action.metavar}" if action.nargs != 0 else "")
            for action in self._actions
            if action.option_strings
        )
        raise UsageError(f"{message} (accepted: {options}, NAME)")


def _make_parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser(prog=f"%%{MAGIC}", add_help=False)  # type: ignore[no-untyped-call]
    parser.allow_abbrev = False
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="the same as -v NAME")
    add("-v", "--var", metavar="NAME", help=f"the variable; without one, {LATEST}")
    add("--no-stdout", action="store_true", help="leave descriptor 1 alone")
    add("--no-stderr", action="store_true", help="leave descriptor 2 alone")
    add(
        "--no-python",
        action="store_true",
        help="leave sys.stdout and sys.stderr writing where they did; take native output only",
    )
    add(
        "--display",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="capture rich display output too (NAME.outputs)",
    )
    add(
        "--merge",
        action="store_true",
        help="one pipe for both streams: the exact order, no telling apart",
    )
    add("--live", action="store_true", help="show output as it comes, within the flood limits")
    add(
        "--tail",
        metavar="N",
        help="show only the last N lines as they come, updated in place",
    )
    add(
        "--progress",
        action="store_true",
        help="show one line, updated in place: elapsed, lines, bytes, rate, last line",
    )
    add("--file", metavar="PATH", help="append the output to this file, too, as it comes")
    add("--append", action="store_true", help="add to what NAME already holds")
    add(
        "--max-bytes",
        metavar="SIZE",
        help=f"keep at most that, the first half and the last: {SIZE_HELP}",
    )
    add(
        "--on-error",
        metavar="show|hide",
        choices=("show", "hide"),
        help="when the cell raises, show the last lines under the traceback (default: show)",
    )
    add(
        "--drain",
        metavar="auto|process|thread",
        choices=KINDS,
        help="where the pipes are emptied (default: auto, a helper process)",
    )
    add(
        "--every-cell",
        action="store_true",
        help="from now on capture every cell, shown live and kept in ipyfdcapture.history",
    )
    add("--off", action="store_true", help="end --every-cell")
    add(
        "--recover",
        nargs="?",
        const="list",
        metavar="N",
        help="list what crashed kernels of this notebook left; with N or -v, load it",
    )
    return parser


PARSER = _make_parser()

HELP = f"""Capture what a cell or a statement writes to file descriptors 1 and 2.

From Python, from C, C++, Fortran, CUDA, Go and Rust code, and from child processes, in the order
in which it is written, into a variable::

    %%{MAGIC} [options] [NAME]
    code

    %{MAGIC} [options] STATEMENT
    value = %{MAGIC} [options] EXPRESSION

The cell behaves as if it were not captured: results, displays, errors, ``await`` and line numbers
are its own. NAME is a `Captured`: a sequence of lines, with ``stdout``, ``stderr``, ``text``,
``grep()``, ``tail()`` and more; without a NAME it is `{LATEST}`.

Defaults are set with ``%config CaptureFd``.

{PARSER.format_help()}"""


def _parse(argv: list[str]) -> argparse.Namespace:
    args = PARSER.parse_args(argv)
    if args.var is not None and args.name is not None:
        raise UsageError(f"two names, {args.var!r} and {args.name!r}: give one")
    args.name = args.var if args.var is not None else args.name
    if args.name is not None and (not args.name.isidentifier() or keyword.iskeyword(args.name)):
        raise UsageError(f"{args.name!r} cannot be a variable: give a Python name, such as logs")
    if args.append and args.name is None:
        raise UsageError("--append needs the NAME to add to, such as -v logs")
    views = [f"--{view}" for view in ("live", "tail", "progress") if getattr(args, view)]
    if len(views) > 1:
        raise UsageError(f"{' and '.join(views)} exclude each other: give one")
    if args.tail is not None:
        if not args.tail.isdecimal() or not int(args.tail):
            raise UsageError(f"--tail {args.tail}: give a number of lines above 0")
        args.tail = int(args.tail)
    if args.max_bytes is not None:
        try:
            args.max_bytes = parse_size(args.max_bytes)
        except ValueError as error:
            raise UsageError(f"--max-bytes: {error}") from None
    return args


_EVERY_CELL = _parse(["--live"])


def _split(line: str) -> list[str]:
    try:
        return list(arg_split(line, posix=True))
    except ValueError as error:
        raise UsageError(f"cannot read the options {line!r}: {error}") from None


#: A word of options, with what quotes hold together, and braces that IPython expands.
_WORD = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|\{[^{}]*\}|\\.|[^\s"'\\])+\s*""")
_TAKES_VALUE = {
    option: action.nargs != 0 and action.dest != "recover"
    for action in PARSER._actions
    for option in action.option_strings
}


def _split_statement(line: str) -> tuple[str, str]:
    """Split what follows ``%capture_fd`` into options and the statement after them."""
    rest = line.strip()
    takes_value = False
    at = 0
    while takes_value or rest.startswith("-", at):
        word = _WORD.match(rest, at)
        if word is None:
            break
        at = word.end()
        takes_value = not takes_value and _TAKES_VALUE.get(word[0].strip(), False)
    return rest[:at], rest[at:]


# -- the extension --------------------------------------------------------------------------------


@dataclass
class _CellCapture:
    """A capture that runs until the end of its cell, and what becomes of it then."""

    capture: Run
    finish: Callable[[Captured, bool], None]


@dataclass
class _Failure:
    """A captured statement or cell that failed."""

    captured: Captured
    args: argparse.Namespace
    #: What it was left by; None: what the cell itself was.
    error: BaseException | None


@dataclass
class _Cell:
    """A cell that is running in one thread."""

    info: Any = None  # IPython's ExecutionInfo; None for a silent cell
    frame: Any = None  # of the shell's own function that runs it
    captures: list[_CellCapture] = field(default_factory=list)
    failures: list[_Failure] = field(default_factory=list)
    statements: list[Run] = field(default_factory=list)  # captures that end before it does


class _Cells(threading.local):
    """The cells that run in this thread, the outermost first."""

    def __init__(self) -> None:
        self.running: list[_Cell] = []


class CaptureFdExtension:
    """All that is added to one shell: magics, transformer, events, configuration."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.config = _configured(shell)
        self._cells = _Cells()
        self._numbers: set[int] = set()  # of the cells that every_cell captures at present
        self._shadowed: dict[str, Any] = {}
        self._showing = _ShellShowsOutside(self)
        self._key = crashes.notebook_key()

    # -- coming and going -----------------------------------------------------------------------

    def load(self) -> None:
        """Add everything."""
        shell = self.shell
        for kind, function in (("line", self.line_magic), ("cell", self.cell_magic)):
            table = shell.magics_manager.magics[kind]
            self._shadowed[kind] = table.get(MAGIC)
            table[MAGIC] = function
        shell.input_transformers_cleanup.append(self.transform)
        _configurables(shell).append(self.config)
        for event, callback in self._callbacks():
            shell.events.register(event, callback)

    def unload(self) -> None:
        """Take everything away again. A capture that is active ends here."""
        shell = self.shell
        for cell in self._cells.running:  # in a captured cell, of all places
            self._end(cell, failed=False)
        for event, callback in self._callbacks():
            with contextlib.suppress(ValueError):
                shell.events.unregister(event, callback)
        with contextlib.suppress(ValueError):
            _configurables(shell).remove(self.config)
        with contextlib.suppress(ValueError):
            shell.input_transformers_cleanup.remove(self.transform)
        for kind, before in self._shadowed.items():
            table = shell.magics_manager.magics[kind]
            if before is None:
                table.pop(MAGIC, None)
            else:
                table[MAGIC] = before

    def _callbacks(self) -> list[tuple[str, Callable[..., None]]]:
        return [
            ("pre_execute", self._cell_begins),
            ("pre_run_cell", self._cell_has_info),
            ("post_execute", self._silent_cell_ends),
            ("post_run_cell", self._cell_ends),
        ]

    def warm_up(self) -> None:
        """Start the helper, so that no capture waits for it, and tell of crashed kernels."""
        with contextlib.suppress(CaptureError):
            get_drain(self.config.drain)
        config = self.config
        crashes.prune(self._key, config.keep_crashed, config.keep_crashed_days, config.spool_dir)
        found = crashes.find(self._key, config.spool_dir)
        if found:
            many = f"{len(found)} recordings" if len(found) > 1 else "a recording"
            print(
                f"ipyfdcapture: {many} of a kernel that crashed here: "
                f"%{MAGIC} --recover lists, %{MAGIC} --recover -v logs loads the newest"
            )

    # -- the cell as itself ---------------------------------------------------------------------

    def transform(self, lines: list[str]) -> list[str]:
        """Turn the ``%%capture_fd`` line into a statement that begins the capture."""
        if self._cells.running:
            return lines  # a magic transforms the cell below it: this is the cell magic's work
        return _transform(lines)

    # Not for completeness checks: those know a cell magic by its first line.
    transform.has_side_effects = True  # type: ignore[attr-defined]

    def begin(self, line: str, is_empty: bool) -> None:
        """Begin the capture of the cell that is running. Raises `UsageError`."""
        if not self._cells.running:
            raise UsageError(f"%%{MAGIC} is for a cell")
        line = self.shell.var_expand(line, depth=2)
        args = _parse(_split(line))
        for option in ("recover", "every_cell", "off"):
            if getattr(args, option) not in (None, False):
                word = "--" + option.replace("_", "-")
                raise UsageError(f"{word} is for the line magic: %{MAGIC} {word}")
        if is_empty:
            raise UsageError(
                f"%%{MAGIC}: the cell is empty; put the code to capture below the line"
            )
        cell = self._cells.running[-1]
        capture = self._make_capture(args, cell)

        def finish(captured: Captured, failed: bool) -> None:
            self._bind(captured, args)
            if failed:
                cell.failures.append(_Failure(captured, args, None))

        self._begin(cell, capture, finish)

    def _begin(self, cell: _Cell, capture: Run, finish: Callable[[Captured, bool], None]) -> None:
        with deferred_interrupts():  # one that is active is always known
            self._start(capture)
            cell.captures.append(_CellCapture(capture, finish))
            self._showing.install()

    def _cell_begins(self) -> None:
        with deferred_interrupts():
            frames = list(_frames_of_cells())
            running = self._cells.running
            while running and running[-1].frame not in frames:
                # An interrupt hit the event that should have told of its end.
                self._end_innermost(failed=True)
            running.append(_Cell(frame=frames[0] if frames else None))

    def _cell_has_info(self, info: Any) -> None:
        if not self._cells.running:
            return
        cell = self._cells.running[-1]
        cell.info = info
        if self.config.every_cell and len(self._cells.running) == 1:
            self._begin_as_every_cell(cell)

    def _begin_as_every_cell(self, cell: _Cell) -> None:
        args = _EVERY_CELL
        number = _cell_number(self.shell, cell.info.store_history)
        while number in self._numbers:  # before IPython 9, cells that run at once have the same
            number += 1
        self._numbers.add(number)

        def finish(captured: Captured, failed: bool) -> None:
            self._numbers.discard(number)
            self.shell.user_ns[LATEST] = captured
            history.max_bytes = self.config.history_max_bytes
            history.add(number, captured)

        try:
            capture = self._make_capture(args, cell, f"ipyfdcapture.history[{number}]")
            self._begin(cell, capture, finish)
        except UsageError as error:  # the cell is the user's: it runs all the same
            self._numbers.discard(number)
            warnings.warn(f"this cell is not captured: {error}", RuntimeWarning, stacklevel=2)

    def _silent_cell_ends(self) -> None:
        running = self._cells.running
        if running and running[-1].info is None:
            self._end_innermost(failed=not self.shell.last_execution_succeeded)

    def _cell_ends(self, result: Any) -> None:
        if result is not None and not result.info.raw_cell.strip():
            return  # a blank cell does not begin either
        if self._cells.running:
            cell = self._end_innermost(failed=result is None or not result.success)
            for failure in cell.failures:
                self._show_last_lines(failure)

    def _end_innermost(self, failed: bool) -> _Cell:
        with deferred_interrupts():
            self._end(self._cells.running[-1], failed)
            return self._cells.running.pop()

    def _end(self, cell: _Cell, failed: bool) -> None:
        """End what a cell captures. Until that is done, an interrupt waits."""
        with deferred_interrupts():
            for statement in cell.statements:
                if statement.is_active:  # an interrupt hit its stop
                    statement.stop(failed=True)
            stopped = []
            while cell.captures:
                each = cell.captures.pop()
                self._showing.remove()
                stopped.append((each, each.capture.stop(failed)))
            for each, captured in stopped:
                each.finish(captured, failed)

    def catch_up(self) -> None:
        """Have live views show what was written so far: something is about to follow it."""
        for cell in self._cells.running:
            for each in cell.captures:
                each.capture.catch_up()

    def replacements(self) -> list[Any]:
        """Return what stands in for ``sys.stdout`` and ``sys.stderr`` in this thread's cells."""
        captures = [each for cell in self._cells.running for each in cell.captures]
        return [r for each in captures[:1] for r in each.capture.replacements]

    # -- the magics -----------------------------------------------------------------------------

    @no_var_expand  # the statement is the user's own: ``{x}`` and ``$x`` mean what they say there
    def line_magic(self, line: str) -> Any:
        options, statement = _split_statement(line)
        argv = _split(self.shell.var_expand(options, depth=2))
        args = _parse(argv)
        if args.recover is not None:  # what follows is no statement: its number, more options
            return self._recover(_parse(argv + _split(statement)))
        if args.every_cell or args.off:
            return self._switch_every_cell(args, statement)
        if not statement:
            raise UsageError(f"%{MAGIC} needs a statement: %{MAGIC} -v logs solve()")
        return self._run(args, statement)

    def cell_magic(self, line: str, cell: str) -> Any:
        args = _parse(_split(line))
        if not cell.strip():
            raise UsageError(
                f"%%{MAGIC}: the cell is empty; put the code to capture below the line"
            )
        return self._run(args, cell)

    def _run(self, args: argparse.Namespace, code: str) -> Any:
        capture = self._make_capture(args, None)
        running = self._cells.running
        statements = running[-1].statements if running else []
        statements.append(capture)
        try:
            self._start(capture)
            result = self._execute(code)
        except BaseException as error:
            if capture.is_active:
                captured = capture.stop(failed=True)
                self._bind(captured, args)
                if running:
                    # The traceback is yet to be shown, if nobody catches the error before.
                    running[-1].failures.append(_Failure(captured, args, error))
            statements.remove(capture)
            raise
        self._bind(capture.stop(), args)
        statements.remove(capture)  # if an interrupt hit the stop, its cell stops it
        return result

    def _execute(self, code: str) -> Any:
        """Run code in the user's namespace; the value of a last expression is returned."""
        shell = self.shell
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
        code = compiled(ast.Expression(last), name, "eval")
        return eval(code, shell.user_global_ns, shell.user_ns)

    line_magic.__doc__ = cell_magic.__doc__ = HELP

    def _recover(self, args: argparse.Namespace) -> None:
        found = crashes.find(self._key, self.config.spool_dir)
        if not found:
            print("No crashed kernel of this notebook has left a recording.")
            return
        if args.recover == "list" and args.name is None:
            for position, path in enumerate(found, 1):
                print(f"{position}  {crashes.describe(path)}")
            return
        try:
            position = 1 if args.recover == "list" else int(args.recover)
            if not 1 <= position <= len(found):
                raise ValueError
        except ValueError:
            raise UsageError(
                f"--recover {args.recover}: give a number from 1 to {len(found)}"
            ) from None
        try:
            recording = crashes.load(found[position - 1], self.config.spool_dir)
        except CaptureError as error:
            raise UsageError(f"--recover: {error}") from error
        self._bind(Captured(recording), args)

    # -- pieces ---------------------------------------------------------------------------------

    def _switch_every_cell(self, args: argparse.Namespace, statement: str) -> None:
        if statement or (args.every_cell and args.off):
            raise UsageError(f"%{MAGIC} --every-cell and %{MAGIC} --off stand alone")
        self.config.every_cell = args.every_cell

    def _make_capture(self, args: argparse.Namespace, cell: _Cell | None, name: str = "") -> Run:
        config = self.config
        facts: dict[str, Any] = {"notebook": self._key}
        if cell is not None and cell.info is not None:
            if cell.info.store_history:
                facts["cell"] = _cell_number(self.shell)
            facts["first_line"] = _first_line(cell.info.raw_cell)
        before = self.shell.user_ns.get(args.name) if args.append else None
        if before is not None and not isinstance(before, Captured):
            raise UsageError(f"--append: {args.name} is not a captured log")
        if before is not None and not before.is_whole:
            raise UsageError(
                f"--append: {args.name} is a part of a log: give the name of a whole one"
            )
        if before is not None and before.recording.closed:
            raise UsageError(f"--append: {args.name} was closed: its content is gone")
        try:
            capture = capture_fd(
                stdout=not args.no_stdout,
                stderr=not args.no_stderr,
                python=not args.no_python,
                display=args.display,
                merge=args.merge,
                encoding=config.encoding,
                errors=config.errors,
                live="auto" if args.live else None,
                file=args.file,
                live_interval=config.live_interval,
                live_max_bytes=config.live_max_bytes,
                max_bytes=config.max_bytes if args.max_bytes is None else args.max_bytes,
                drain=args.drain or config.drain,
                spool_dir=config.spool_dir,
                facts=facts,
            ).run
        except ValueError as error:
            raise UsageError(str(error)) from None
        if args.tail or args.progress:
            capture.show_on("view", make_tail if args.tail else make_progress)
        capture.tail_lines = args.tail or config.tail_lines
        capture.name = name or args.name or LATEST
        capture.append_to = before
        if config.keep_crashed:
            capture.crash_dir = crashes.directory(self._key)
        return capture

    def _start(self, capture: Run) -> None:
        try:
            capture.start()
        except CaptureError as error:
            raise UsageError(f"{MAGIC}: {error}") from None

    def _bind(self, captured: Captured, args: argparse.Namespace) -> None:
        self.shell.user_ns[LATEST] = captured
        if args.name is not None:
            self.shell.user_ns[args.name] = captured

    def _show_last_lines(self, failure: _Failure) -> None:
        args = failure.args
        is_seen = args.live or args.tail or args.progress
        if is_seen or (args.on_error or self.config.on_error) == "hide":
            return
        if failure.error is None or was_shown(failure.error):
            show_last_lines(failure.captured, self.config.tail_lines, args.name or LATEST)


class _ShellShowsOutside:
    """While cells are captured, what the shell shows of its own goes outside.

    Results and tracebacks belong under the cell, not in the log. In a terminal the shell prints
    them to ``sys.stdout``.
    """

    def __init__(self, extension: CaptureFdExtension) -> None:
        self._extension = extension
        self._users = 0
        self._undo = contextlib.ExitStack()
        self._lock = threading.Lock()

    def install(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                shell = self._extension.shell
                self._undo.callback(around(shell, "showtraceback", self._outside))
                for name in ("publish", "clear_output"):
                    self._undo.callback(around(shell.display_pub, name, self._outside))
            trap = self._extension.shell.display_trap
            if sys.displayhook is self._extension.shell.displayhook:
                self._wrap_displayhook(sys, "displayhook")
            elif self._users == 1:  # the cell has not begun yet: it will be given this one
                self._wrap_displayhook(trap, "hook")

    def remove(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._undo.close()

    def _wrap_displayhook(self, owner: Any, name: str) -> None:
        usual = getattr(owner, name)

        def wrapped(value: object) -> Any:
            self._extension.catch_up()
            with self._outside():
                return usual(value)

        def unwrap() -> None:
            # At the end of a cell, the shell has put back what was there before it.
            if getattr(owner, name) is wrapped:
                setattr(owner, name, usual)

        setattr(owner, name, wrapped)
        self._undo.callback(unwrap)

    def _outside(self, *args: Any, **kwargs: Any) -> contextlib.AbstractContextManager[None]:
        return outside(self._extension.replacements())


# -- text -----------------------------------------------------------------------------------------


def _transform(lines: list[str]) -> list[str]:
    if not lines or not _MAGIC_LINE.match(lines[0]):
        return lines
    options = lines[0][len(f"%%{MAGIC}") :].strip()
    body = lines[1:]
    is_empty = not "".join(body).strip()
    module = f'__import__("sys").modules["{__name__}"]'
    begin = f"{module}.begin_cell({options!r}, is_empty={is_empty})\n"
    return [begin, *_transform_body(body)]


def _transform_body(body: list[str]) -> list[str]:
    """Do to a body what would be done to it as a cell of its own, line by line."""
    blank = 0
    while blank < len(body) and not body[blank].strip():
        blank += 1
    code = leading_indent(body[blank:])
    if code and _MAGIC_LINE.match(code[0]):
        return body[:blank] + _transform(code)
    return [*body[:blank], *ipython_cell_magic(code)]


def _configured(shell: InteractiveShell) -> CaptureFd:
    """Return the configuration; a trait with a bad value is told of and keeps its default."""
    try:
        return CaptureFd(parent=shell)
    except TraitError:
        config = CaptureFd()
        config.parent = shell
    for name, value in shell.config.get("CaptureFd", {}).items():
        try:
            setattr(config, name, value)
        except TraitError as error:
            warnings.warn(f"{error} It keeps its default.", RuntimeWarning, stacklevel=2)
    return config


def _configurables(shell: Any) -> list[Any]:
    """Return what ``%config`` knows."""
    found: list[Any] = shell.configurables
    return found


def _frames_of_cells() -> Iterator[Any]:
    """Yield the frames of the shell's functions that run the current cells, innermost first."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "run_cell_async":
            yield frame
        frame = frame.f_back


def _cell_number(shell: InteractiveShell, is_counted: bool = True) -> int:
    """Return the number of the running cell; one that is not counted has that of the next."""
    number: int = shell.displayhook.prompt_count
    counted_at_start = number < shell.execution_count  # since IPython 9, earlier at the end
    return number + (1 if counted_at_start and not is_counted else 0)


def _first_line(cell: str) -> str:
    lines = (line.strip() for line in cell.splitlines())
    return next((line for line in lines if line and not line.startswith("%%")), "")[:200]


# -- loading --------------------------------------------------------------------------------------

_extensions: dict[int, CaptureFdExtension] = {}


def begin_cell(line: str, is_empty: bool = False) -> None:
    """Begin the capture of the running cell: what a ``%%capture_fd`` line is turned into."""
    from IPython.core.getipython import get_ipython

    extension = _extensions.get(id(get_ipython()))
    if extension is None:
        raise UsageError(f"%%{MAGIC}: the extension is not loaded: %load_ext ipyfdcapture")
    frame = sys._getframe(1)
    _show_as_typed(frame.f_code.co_filename, frame.f_lineno, line)
    extension.begin(line, is_empty)


def _show_as_typed(filename: str, number: int, options: str) -> None:
    """Have tracebacks show the line that the user typed for the one it was turned into."""
    entry = linecache.cache.get(filename)
    if entry is not None and len(entry) == 4 and number <= len(entry[2]):
        entry[2][number - 1] = f"# %%{MAGIC} {options}".rstrip() + "\n"


def load(shell: InteractiveShell) -> None:
    """Add the magics to ``shell``."""
    unload(shell)
    extension = _extensions[id(shell)] = CaptureFdExtension(shell)
    extension.load()
    extension.warm_up()


def unload(shell: InteractiveShell) -> None:
    """Take away what `load` added."""
    extension = _extensions.pop(id(shell), None)
    if extension is not None:
        extension.unload()
