"""`CaptureFd`: the defaults of the magics, as traits.

Set them in IPython's configuration files (``c.CaptureFd.max_bytes = "100M"``) or at run time
(``%config CaptureFd.max_bytes = "100M"``). An option of a magic overrides its trait.
"""

from __future__ import annotations

from typing import Any

from traitlets import Bool, Enum, Float, Integer, TraitError, TraitType, Unicode, validate
from traitlets.config import Configurable

from ..checks import check_encoding, check_terminal_size
from ..drain.host import KINDS
from .sizes import SIZE_HELP, parse_size


class Size(TraitType[Any, Any]):
    """A trait that holds a size in bytes; takes ``"100M"`` too.

    With ``allow_none`` it may be None, for no limit.
    """

    def info(self) -> str:
        """Return what is accepted."""
        return SIZE_HELP + (", or None for no limit" if self.allow_none else "")

    def validate(self, obj: Any, value: Any) -> int | None:
        """Return the size in bytes; a `TraitError` says what is accepted."""
        if value == "None" and self.allow_none:
            return None
        try:
            return parse_size(value)
        except ValueError:
            self.error(obj, value)
            raise AssertionError("unreachable") from None

    def from_string(self, s: str) -> int | None:
        """Read a size from a command line."""
        return self.validate(None, s)


class TerminalSize(TraitType[Any, Any]):
    """A trait that holds the columns and rows of a terminal, or None."""

    info_text = "(columns, rows), such as (120, 40), or None"

    def validate(self, obj: Any, value: Any) -> tuple[int, int] | None:
        """Return the size; a `TraitError` says what is accepted."""
        try:
            check_terminal_size("tty_size", value)
        except ValueError:
            self.error(obj, value)
        return None if value is None else (value[0], value[1])


class CaptureFd(Configurable):
    """Defaults for ``%capture_fd`` and ``%%capture_fd``."""

    drain = Enum(
        KINDS,
        default_value="auto",
        help="Where the pipes are emptied: 'process' (a helper process, which native code that "
        "holds the GIL cannot stop), 'thread', or 'auto': the helper where one can be started.",
    ).tag(config=True)
    encoding = Unicode("utf-8", help="The encoding in which captured bytes are read as text.").tag(
        config=True
    )
    errors = Unicode(
        "replace",
        help="What is done with bytes that are not valid in the encoding: 'replace', "
        "'backslashreplace', 'surrogateescape', 'ignore' or 'strict'.",
    ).tag(config=True)
    spool_dir = Unicode(
        "",
        help="The directory in which recordings are kept while they are in use; ~ and $HOME are "
        "expanded. Empty: the system's temporary directory.",
    ).tag(config=True)
    max_bytes = Size(
        None,
        allow_none=True,
        help="Keep at most that much of each capture, the first half and the last. None: all.",
    ).tag(config=True)
    live_interval = Float(0.1, min=0.01, help="How often, in seconds, live output is shown.").tag(
        config=True
    )
    live_max_bytes = Size(
        1_000_000,
        help="How much live output a cell shows; the rest is counted, and the end is shown.",
    ).tag(config=True)
    live_max_lines = Integer(
        1000,
        min=1,
        help="How many lines of live output a cell shows; the rest is counted, and the end is "
        "shown.",
    ).tag(config=True)
    tail_lines = Integer(
        20,
        min=1,
        help="How many lines are shown when a captured cell fails, and at the end of a flood.",
    ).tag(config=True)
    tty = Bool(
        False,
        help="Whether programs get a terminal in place of pipes: they write in colours then, line "
        "by line, and with bars of progress. --no-tty overrides it.",
    ).tag(config=True)
    tty_size = TerminalSize(
        None,
        allow_none=True,
        help="Columns and rows of such a terminal, such as (120, 40). None: as many as the "
        "terminal has that IPython runs in, or 80 and 24.",
    ).tag(config=True)
    every_cell = Bool(
        False,
        help="Capture every cell, shown live and kept in ipyfdcapture.history.",
    ).tag(config=True)
    history_max_bytes = Size(
        100 << 20,
        allow_none=True,
        help="How much ipyfdcapture.history keeps, the oldest out first. None: all.",
    ).tag(config=True)
    on_error = Enum(
        ("show", "hide"),
        default_value="show",
        help="Whether a captured cell that fails shows the last lines that it wrote.",
    ).tag(config=True)
    keep_crashed = Integer(
        10,
        min=0,
        help="How many recordings of crashed kernels are kept for each notebook. 0: none.",
    ).tag(config=True)
    keep_crashed_days = Integer(
        30, min=1, help="How many days a recording of a crashed kernel is kept."
    ).tag(config=True)
    keep_crashed_bytes = Size(
        10 << 30,
        allow_none=True,
        help="How much the recordings of crashed kernels of all notebooks may take, the oldest "
        "out first. None: as much as there is.",
    ).tag(config=True)

    @validate("encoding")
    def _known_encoding(self, proposal: Any) -> str:
        _check("encoding", proposal.value, "strict")
        return str(proposal.value)

    @validate("errors")
    def _known_error_handler(self, proposal: Any) -> str:
        _check("errors", "utf-8", proposal.value)
        return str(proposal.value)


def _check(trait: str, encoding: str, errors: str) -> None:
    try:
        check_encoding(encoding, errors)
    except ValueError as error:
        raise TraitError(f"CaptureFd.{trait}: {error}") from None
