"""The options of ``%capture_fd`` and ``%%capture_fd``: how a line is split, parsed and explained.

A line becomes a `MagicOptions`. Whatever is wrong with it is a `UsageError` of one line that says
what is accepted.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import keyword
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser
from IPython.utils.process import arg_split  # type: ignore[attr-defined]
from IPython.utils.text import DollarFormatter

from ..drain.host import KINDS
from .names import ABOUT, LATEST, MAGIC
from .sizes import SIZE_HELP, parse_size


@dataclass(frozen=True)
class MagicOptions:
    """What a user asked for on the line of a magic; None where the configuration decides."""

    name: str | None = None
    no_stdout: bool = False
    no_stderr: bool = False
    no_python: bool = False
    display: bool = False
    merge: bool = False
    tty: bool | None = None
    live: bool = False
    tail: int | None = None  # lines; 0: as many as the configuration says
    progress: bool = False
    explore: bool = False
    file: str | None = None
    append: bool = False
    max_bytes: int | None = None
    on_error: str | None = None
    drain: str | None = None
    every_cell: bool = False
    off: bool = False
    #: ``"list"``, or which recording to load.
    recover: str | None = None
    help: bool = False
    all: bool = False

    @property
    def is_shown(self) -> bool:
        """Whether a live view shows the output."""
        return self.live or self.tail is not None or self.progress or self.explore

    @property
    def log_name(self) -> str:
        """The variable that holds the log."""
        return self.name or LATEST


# -- the parser -----------------------------------------------------------------------------------


_ABOUT_VALUE = re.compile(r"argument (?P<option>-[^:]*): (?P<what>.*)", re.DOTALL)


class _Parser(MagicArgumentParser):
    """An argument parser whose errors list what is accepted."""

    def error(self, message: str) -> Any:
        if about := _ABOUT_VALUE.fullmatch(message):
            # What is accepted there has been said, or is none.
            without = "ignored explicit argument "
            what = about["what"].replace(without, "it takes no value, such as ")
            if what == "expected one argument":
                what += f": {OPTIONS[about['option'].split('/')[0]].metavar}"
            raise UsageError(f"{about['option']}: {what}")
        found, _, extra = message.partition("unrecognized arguments: ")
        if extra and not found and not extra.startswith("-"):
            raise UsageError(f"{extra!r} follows the NAME: a cell's code stands below the line")
        options = ", ".join(
            "/".join(action.option_strings) + (f" {action.metavar}" if action.metavar else "")
            for action in self._actions
            if action.option_strings
        )
        raise UsageError(f"{message} (accepted: {options}, NAME)")


def _make_parser() -> argparse.ArgumentParser:
    usage = f"%%{MAGIC} [options] [NAME]\n  %%{MAGIC} [options] STATEMENT"  # after a ``%``
    parser: argparse.ArgumentParser = _Parser(prog=MAGIC, usage=usage, add_help=False)  # type: ignore[no-untyped-call]
    parser.allow_abbrev = False
    add = parser.add_argument
    add("-h", "--help", action="store_true", help="show this, and run nothing")
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
    add(
        "--tty",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="a terminal in place of pipes: programs write in colours, with bars of progress",
    )
    add("--live", action="store_true", help="show output as it comes, within the flood limits")
    add(
        "--tail",
        nargs="?",
        const="",
        metavar="[N]",
        help="show only the last N lines (without N: CaptureFd.tail_lines), updated in place",
    )
    add(
        "--progress",
        action="store_true",
        help="show one line, updated in place: elapsed, lines, bytes, rate, last line",
    )
    add(
        "--explore",
        action="store_true",
        help="show a viewer that follows: searches and filters while the cell runs",
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
        metavar="[N]",
        help="list what crashed kernels of this notebook left; with N or -v, load it",
    )
    add("--all", action="store_true", help="with --recover: of all notebooks")
    return parser


PARSER = _make_parser()

HELP = f"{ABOUT}\n{PARSER.format_help()}"


_VIEWS = ("live", "tail", "progress", "explore")


def parse_options(argv: list[str]) -> MagicOptions:
    """Return the options in the words of a line. Raises `UsageError`."""
    if "-h" in argv or "--help" in argv:
        return MagicOptions(help=True)
    argv = _join_values(argv)
    _check_words(argv)
    given = vars(PARSER.parse_args(argv))
    given["name"] = _checked_name(given.pop("var"), given["name"])
    if given["append"] and given["name"] is None:
        raise UsageError("--append needs the NAME to add to, such as -v logs")
    if given["all"] and given["recover"] is None:
        raise UsageError("--all goes with --recover: it lists what kernels of all notebooks left")
    views = [f"--{view}" for view in _VIEWS if given[view] not in (None, False)]
    if len(views) > 1:
        raise UsageError(f"{' and '.join(views)} exclude each other: give one")
    if given["tail"] is not None:
        given["tail"] = _parse_lines(given["tail"])
    if given["file"] == "":
        raise UsageError("--file needs the PATH of a file")
    if given["file"] is not None:
        given["file"] = os.path.expanduser(os.path.expandvars(given["file"]))
    if given["max_bytes"] is not None:
        try:
            given["max_bytes"] = parse_size(given["max_bytes"])
        except ValueError as error:
            raise UsageError(f"--max-bytes: {error}") from None
    return MagicOptions(**given)


def _checked_name(variable: str | None, bare: str | None) -> str | None:
    if variable is not None and bare is not None:
        raise UsageError(f"two names, {variable!r} and {bare!r}: give one")
    name = bare if variable is None else variable
    if name is None:
        return None
    if not name.isidentifier() or keyword.iskeyword(name):
        raise UsageError(f"{name!r} cannot be a variable: give a Python name, such as logs")
    if hasattr(builtins, name) or name in _SHELLS_OWN:
        raise UsageError(
            f"{name!r} has a meaning of its own, which the log would hide: "
            "give another name, such as logs"
        )
    return name


#: Names that the shell gives a meaning to, beside the built-ins.
_SHELLS_OWN = {"In", "Out", "_", "__", "___", "_ih", "_oh", "_dh", "get_ipython", "display"}


def _parse_lines(text: str) -> int:
    if not text:
        return 0
    if not text.isdecimal() or not int(text):
        raise UsageError(f"--tail {text}: give a number of lines above 0")
    return int(text)


#: Text without these is what it says: to copy the environment takes a tenth of a millisecond.
_EXPANDED = frozenset("${}")


def expand(text: str, names: Mapping[str, Any]) -> str:
    """Expand ``{expression}``, ``$name`` and environment variables, as other magics do.

    Raises
    ------
    UsageError
        If one of them has no value.
    """
    if not _EXPANDED.intersection(text):
        return text
    text = re.sub(r"\$(\{\w+\})", r"\1", text)
    try:
        # Not ``format``: a variable may be called ``self``.
        return str(DollarFormatter().vformat(text, (), {**os.environ, **names}))
    except Exception as error:
        raise UsageError(f"cannot expand {text.strip()!r}: {error}") from None


# -- words ----------------------------------------------------------------------------------------

OPTIONS = {option: action for action in PARSER._actions for option in action.option_strings}
#: What an editor makes of two hyphens, or of one.
_DASHES = re.compile("^[-\u2010-\u2015\u2212]+")
_NUMBER = re.compile(r"[-+]?\d[\w.]*")
_UNIT = re.compile(r"[KMGT]?(?:i?B)?", re.IGNORECASE)
#: What other programs call an option, or who has not read on.
_OTHER_WORDS = {
    **dict.fromkeys(("o", "output", "name", "variable", "log"), "-v"),
    **dict.fromkeys(("stdout", "only-stdout"), "--no-stderr"),
    **dict.fromkeys(("stderr", "only-stderr"), "--no-stdout"),
    **dict.fromkeys(("color", "colour", "colors", "colours", "pty", "terminal"), "--tty"),
    **dict.fromkeys(("size", "limit", "max-size", "max"), "--max-bytes"),
    **dict.fromkeys(("n", "lines", "last"), "--tail"),
    **dict.fromkeys(("f", "path", "log-file", "save"), "--file"),
    **dict.fromkeys(("a", "add"), "--append"),
    **dict.fromkeys(("verbose", "show", "print", "tee", "follow"), "--live"),
    **dict.fromkeys(("bar", "quiet-progress"), "--progress"),
    **dict.fromkeys(("on", "all-cells", "auto", "start"), "--every-cell"),
    **dict.fromkeys(("stop", "end", "disable"), "--off"),
    **dict.fromkeys(("list", "crashed", "restore"), "--recover"),
    **dict.fromkeys(("?", "usage", "options"), "--help"),
}


def split_words(line: str) -> list[str]:
    """Return the words of a line of options, quotes and a comment removed. Raises `UsageError`."""
    try:
        return list(arg_split(_without_comment(line), posix=True))
    except ValueError as error:
        raise UsageError(f"cannot read the options {line!r}: {error}") from None


def _without_comment(line: str) -> str:
    """Return a line up to a ``#`` that begins a word outside quotes."""
    quote = ""
    for at, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "#" and (at == 0 or line[at - 1].isspace()):
            return line[:at].rstrip()
    return line


def _join_values(argv: list[str]) -> list[str]:
    """Return the words with ``--tail`` and a number after it as one: nothing else is its N."""
    joined: list[str] = []
    for word in argv:
        if joined and joined[-1] == "--tail" and _NUMBER.fullmatch(word):
            joined[-1] = f"--tail={word}"
        else:
            joined.append(word)
    return ["--tail=" if word == "--tail" else word for word in joined]


def _check_words(argv: list[str]) -> None:
    """Refuse slips that would pass as something else, or whose message would not help."""
    seen: set[str] = set()
    for before, word in zip(["", *argv], argv, strict=False):
        meant = option_meant(word)
        if meant is not None and meant != word.partition("=")[0]:
            raise UsageError(f"there is no option {word}: did you mean {meant}?")
        option = "--var" if meant == "-v" else meant
        if option in seen and _TAKES_VALUE.get(option):
            raise UsageError(f"{meant} is given twice: give one")
        seen.add(option or "")
        if word.startswith(">"):
            path = word.lstrip(">") or "PATH"
            raise UsageError(f"{word!r} is for shells: did you mean --file {path}?")
        if "--max-bytes" in seen:
            _check_is_no_unit(before, word)


def _check_is_no_unit(number: str, word: str) -> None:
    """Refuse ``10 MB``: it is a size of ten bytes, and a NAME."""
    if _NUMBER.fullmatch(number) and _UNIT.fullmatch(word):
        raise UsageError(f"--max-bytes {number} {word}: did you mean {number}{word}?")


def option_meant(word: str) -> str | None:
    """Return the option that a word is, or is a slip of; None for any other word."""
    dashes = _DASHES.match(word)
    if dashes is None:
        return None
    name = word[dashes.end() :].partition("=")[0]
    option = dashes[0] + name
    if option in OPTIONS:
        return option
    if dashes[0] == "-" and name.startswith("v"):
        return f"--{name}" if f"--{name}" in OPTIONS else None  # -vlogs
    if len(name) == 1 and name not in _OTHER_WORDS:
        return f"-{name}" if f"-{name}" in OPTIONS and dashes[0] != "--" else None
    plain = "--" + name.lower().replace("_", "-")
    if plain in OPTIONS:
        return plain
    if name.lower() in _OTHER_WORDS:
        return _OTHER_WORDS[name.lower()]
    import difflib  # for slips alone

    close = difflib.get_close_matches(plain, OPTIONS, n=1, cutoff=0.75)
    return close[0] if close else None


# -- statements -----------------------------------------------------------------------------------

#: A word of options, with what quotes hold together, and braces that IPython expands.
_WORD = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|\{[^{}]*\}|\\.|[^\s"'\\])+\s*""")
_TAKES_VALUE = {
    option: action.nargs is None and action.metavar is not None
    for option, action in OPTIONS.items()
}


def split_statement(line: str) -> tuple[str, str]:
    """Split what follows ``%capture_fd`` into options and the statement after them."""
    rest = line.strip()
    takes_value = False
    at = 0
    while takes_value or _DASHES.match(rest[at:]):
        word = _WORD.match(rest, at)
        if word is None:  # a quote that does not end
            return (rest, "") if rest[at:] else (rest[:at], "")
        text = word[0].strip()
        at = word.end()
        takes_value = not takes_value and _TAKES_VALUE.get(text, False)
        number = _WORD.match(rest, at)
        if text == "--tail" and number is not None and _NUMBER.fullmatch(number[0].strip()):
            at = number.end()
    return rest[:at], rest[at:]


def check_statement(statement: str, options: list[str]) -> None:
    """Refuse what is none, or has options after it. Raises `UsageError`.

    Parameters
    ----------
    statement
        What follows the options.
    options
        The words before it.
    """
    if options[-2:-1] == ["--max-bytes"]:
        _check_is_no_unit(options[-1], statement.split(" ")[0])
    if not statement or statement.startswith("#"):
        raise UsageError(
            f"%{MAGIC} needs a statement: %{MAGIC} -v logs solve() "
            f"(to capture a whole cell: %%{MAGIC} on its first line)"
        )
    if statement[0] in "!%" or "#" in statement:
        return
    is_code = is_python(statement)
    if not is_code:
        _check_begin(statement)
    for match in re.finditer(r"\s+(?=[-\u2010-\u2015\u2212])", statement):
        before, words = statement[: match.start()], statement[match.end() :].split()
        option = option_meant(words[0])
        if option is None or (is_code and not words[0].startswith("--")) or not is_python(before):
            continue
        line = " ".join([MAGIC, option, *words[1:], before])
        raise UsageError(f"options stand before the statement: did you mean %{line}?")


def _check_begin(statement: str) -> None:
    """Refuse a name before the statement, or ``=``, as in ``-v logs = solve()``."""
    begin = re.match(r"(?:(\w+)\s+|=\s*)(?=\S)", statement)
    if begin is None or not is_python(rest := statement[begin.end() :]):
        return
    name = begin[1]
    if name is None:
        raise UsageError(f"did you mean %{MAGIC} [-v NAME] {rest}?")
    if name.isidentifier() and not keyword.iskeyword(name) and not hasattr(builtins, name):
        raise UsageError(f"did you mean %{MAGIC} -v {name} {rest}?")


def is_python(code: str) -> bool:
    """Tell whether code can be parsed."""
    try:
        ast.parse(code)
    except (SyntaxError, ValueError):
        return False
    return True


def check_body(is_empty: bool) -> None:
    """Check that a captured cell has code below its line. Raises `UsageError`."""
    if is_empty:
        raise UsageError(f"%%{MAGIC}: the cell is empty; put the code to capture below the line")
