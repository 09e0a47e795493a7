"""The input transformer: how a ``%%capture_fd`` cell runs as itself.

It turns the first line of the cell into a statement on that line that begins the capture, and
leaves the rest of the cell alone::

    %%capture_fd -v logs       →    __capture_fd__('-v logs')
    solve()                         solve()

`__capture_fd__` is a built-in for as long as the extension is loaded, as ``get_ipython`` is: no
name that a notebook defines or deletes gets in its way.
"""

from __future__ import annotations

import builtins
import linecache
import re
import sys
from collections.abc import Callable

from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython
from IPython.core.inputtransformer2 import TransformerManager, leading_indent
from IPython.core.inputtransformer2 import cell_magic as ipython_cell_magic
from IPython.core.interactiveshell import InteractiveShell

from .names import MAGIC

#: The built-in that a ``%%capture_fd`` line is turned into a call of.
BEGIN = "__capture_fd__"

_MAGIC_LINE = re.compile(r"%%capture_fd(?=\s|$)")
#: What is typed in its place, and would say no more than that there is no such magic.
_SLIP = r"%%[%\s]*(?:capture[_-]?fds?|capture_df|fd_capture|capture_ fd)(?=[^\w?]|$)\S*"

#: By the id of their shell.
_installed: dict[int, CellTransformer] = {}


class CellTransformer:
    """Transforms the cells of one shell, between `install` and `remove`.

    Parameters
    ----------
    shell
        The shell.
    begin
        Begins the capture of the running cell; called with its options and whether it is empty.
    is_running
        Tells whether a cell of the shell runs in this thread.
    """

    #: IPython leaves it out when it asks whether a cell is complete: for that, it knows a cell
    #: magic by its first line.
    has_side_effects = True

    def __init__(
        self,
        shell: InteractiveShell,
        begin: Callable[[str, bool], None],
        is_running: Callable[[], bool],
    ) -> None:
        self.shell = shell
        self.begin = begin
        self.is_running = is_running

    def install(self) -> None:
        """Have the shell transform its cells."""
        _installed[id(self.shell)] = self
        setattr(builtins, BEGIN, begin_cell)
        self.shell.input_transformers_cleanup.append(self)

    def remove(self) -> None:
        """Undo `install`."""
        transformers = self.shell.input_transformers_cleanup
        if self in transformers:
            transformers.remove(self)
        _installed.pop(id(self.shell), None)
        if not _installed:
            vars(builtins).pop(BEGIN, None)

    def __call__(self, lines: list[str]) -> list[str]:
        """Return the lines of a cell as they are to be run."""
        # In a running cell it is another magic that transforms the code below its line. What
        # that code captures is up to the cell magic.
        return lines if self.is_running() else _transform(lines)


def begin_cell(line: str, is_empty: bool = False, slip: str = "") -> None:
    """Begin the capture of the running cell: what a ``%%capture_fd`` line is turned into.

    Parameters
    ----------
    line
        The options, as they were typed.
    is_empty
        Whether no code follows.
    slip
        What was typed in the place of a ``%%capture_fd`` line.
    """
    transformer = _of_running_cell()
    if transformer is None:
        raise UsageError(f"%%{MAGIC}: the extension is not loaded: %load_ext ipyfdcapture")
    if slip:
        raise UsageError(f"{slip}: did you mean %%{MAGIC}? It is the first line of its cell")
    from .options import expand

    frame = sys._getframe(1)
    _show_as_typed(frame.f_code.co_filename, frame.f_lineno, line)
    names = {**transformer.shell.user_ns, **frame.f_locals}
    transformer.begin(expand(line, names), is_empty)


def _of_running_cell() -> CellTransformer | None:
    """Return the transformer of the shell whose cell this is; None if there is none."""
    if transformer := _installed.get(id(get_ipython())):
        return transformer
    # Once `IPython.embed()` in a cell has failed, IPython takes the embedded shell for its own.
    return next((each for each in _installed.values() if each.is_running()), None)


def _show_as_typed(filename: str, number: int, options: str) -> None:
    """Have tracebacks show the line that the user typed instead of the one that runs."""
    entry = linecache.cache.get(filename)
    if entry is not None and len(entry) == 4 and number <= len(entry[2]):
        entry[2][number - 1] = f"# %%{MAGIC} {options}".rstrip() + "\n"


def _transform(lines: list[str]) -> list[str]:
    above = 0
    while above < len(lines) and (not lines[above].strip() or lines[above].startswith("#")):
        above += 1
    first = lines[above] if above < len(lines) else ""
    if not _MAGIC_LINE.match(first):
        slip = _slip_in(lines, above)
        return lines if slip is None else [f"{BEGIN}('', slip={slip!r})\n"]
    options = first[len(f"%%{MAGIC}") :].strip()
    body = lines[above + 1 :]
    if {"-h", "--help"}.intersection(options.split()):
        body = []  # it is shown in place of the cell
    empty = "" if "".join(body).strip() else ", is_empty=True"
    return [*lines[:above], f"{BEGIN}({options!r}{empty})\n", *_transform_body(body)]


def _slip_in(lines: list[str], first: int) -> str | None:
    """Return what was typed in the place of a ``%%capture_fd`` line, if anything was."""
    if first < len(lines) and lines[first].startswith("%%"):
        slip = re.match(_SLIP, lines[first], re.IGNORECASE)
        return slip[0] if slip else None  # another magic decides what is below its line
    for number, line in enumerate(lines[first:], first):
        if _MAGIC_LINE.match(line):
            # In the midst of a text in quotes, it is a line of that.
            return f"%%{MAGIC} in line {number + 1}" if _is_whole(lines[:number]) else None
    return None


def _is_whole(lines: list[str]) -> bool:
    """Tell whether lines of a cell are statements that end there."""
    state, _ = TransformerManager().check_complete("".join(lines))
    return str(state) == "complete"


def _transform_body(body: list[str]) -> list[str]:
    """Do to a body what would be done to it as a cell of its own, line by line."""
    blank = 0
    while blank < len(body) and not body[blank].strip():
        blank += 1
    code = leading_indent(body[blank:])
    if code and _MAGIC_LINE.match(code[0]):
        return body[:blank] + _transform(code)
    return [*body[:blank], *ipython_cell_magic(code)]
