"""The options of ``%capture_fd`` and ``%%capture_fd``: how a line is split, parsed and explained.

A line becomes a `MagicOptions`. Whatever is wrong with it is a `UsageError` of one line that says
what is accepted.
"""

from __future__ import annotations

import argparse
import keyword
import re
from dataclasses import dataclass
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser
from IPython.utils.process import arg_split  # type: ignore[attr-defined]

from ..drain.choosing import KINDS

#: The name of both magics.
MAGIC = "capture_fd"
#: The variable that always holds the latest log.
LATEST = "_logs"


@dataclass(frozen=True)
class MagicOptions:
    """What a user asked for on the line of a magic; None where the configuration decides."""

    name: str | None = None
    no_stdout: bool = False
    no_stderr: bool = False
    no_python: bool = False
    display: bool = False
    merge: bool = False
    live: bool = False
    tail: int | None = None  # lines
    progress: bool = False
    file: str | None = None
    append: bool = False
    max_bytes: int | None = None
    on_error: str | None = None
    drain: str | None = None
    every_cell: bool = False
    off: bool = False
    #: ``"list"``, or which recording to load.
    recover: str | None = None

    @property
    def is_shown(self) -> bool:
        """Whether a live view shows the output."""
        return bool(self.live or self.tail or self.progress)

    @property
    def log_name(self) -> str:
        """The variable that holds the log."""
        return self.name or LATEST


# -- sizes ----------------------------------------------------------------------------------------

SIZE_HELP = "a number of bytes above 0, such as 65536, 64K, 100M or 2G"
_SIZE = re.compile(r"(\d+)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_size(text: str | int) -> int:
    """Return a size in bytes: ``64K`` is 65536. Raises `ValueError` that says what is accepted."""
    match = _SIZE.fullmatch(str(text).strip())
    size = int(match[1]) * _UNITS[match[2].upper()] if match else 0
    if size < 1:
        raise ValueError(f"{text!r} is not a size: give {SIZE_HELP}")
    return size


# -- the parser -----------------------------------------------------------------------------------


class _Parser(MagicArgumentParser):
    """An argument parser whose errors list what is accepted."""

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
        help="one pipe for both streams: exact order, but the streams cannot be told apart",
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
        help=f"keep at most this much, the first half and the last: {SIZE_HELP}",
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
    add("--off", action="store_true", help="stop capturing every cell")
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

It captures the output of Python, of C, C++, Fortran, CUDA, Go and Rust code, and of child
processes, in the order in which it is written, into a variable::

    %%{MAGIC} [options] [NAME]
    code

    %{MAGIC} [options] STATEMENT
    value = %{MAGIC} [options] EXPRESSION

The cell behaves as if it were not captured: results, displays, errors, ``await`` and line numbers
are its own. NAME is a `Captured`: a sequence of lines, with ``stdout``, ``stderr``, ``text``,
``grep()``, ``tail()`` and more; without a NAME it is `{LATEST}`.

Set defaults with ``%config CaptureFd``.

{PARSER.format_help()}"""


def parse_options(argv: list[str]) -> MagicOptions:
    """Return the options in the words of a line. Raises `UsageError`."""
    given = vars(PARSER.parse_args(argv))
    variable = given.pop("var")
    if variable is not None:
        if given["name"] is not None:
            raise UsageError(f"two names, {variable!r} and {given['name']!r}: give one")
        given["name"] = variable
    name = given["name"]
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        raise UsageError(f"{name!r} cannot be a variable: give a Python name, such as logs")
    if given["append"] and name is None:
        raise UsageError("--append needs the NAME to add to, such as -v logs")
    views = [f"--{view}" for view in ("live", "tail", "progress") if given[view]]
    if len(views) > 1:
        raise UsageError(f"{' and '.join(views)} exclude each other: give one")
    if given["tail"] is not None:
        given["tail"] = _parse_lines(given["tail"])
    if given["max_bytes"] is not None:
        try:
            given["max_bytes"] = parse_size(given["max_bytes"])
        except ValueError as error:
            raise UsageError(f"--max-bytes: {error}") from None
    return MagicOptions(**given)


def _parse_lines(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise UsageError(f"--tail {text}: give a number of lines above 0")
    return int(text)


# -- lines ----------------------------------------------------------------------------------------


def split_words(line: str) -> list[str]:
    """Return the words of a line of options, quotes removed. Raises `UsageError`."""
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


def split_statement(line: str) -> tuple[str, str]:
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


def check_body(is_empty: bool) -> None:
    """Check that a captured cell has code below its line. Raises `UsageError`."""
    if is_empty:
        raise UsageError(f"%%{MAGIC}: the cell is empty; put the code to capture below the line")
