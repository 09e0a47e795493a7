"""Pseudo-terminals that programs write to in place of a pipe.

A terminal of ours has two ends like a pipe: what is written to the one is read from the other, byte
by byte as it was written. It differs from a pipe in what programs see of it (`os.isatty` is True),
and in how it is read (`ipyfdcapture.system.pipes`).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import termios
import tty
from typing import NamedTuple

from .pipes import out_of_the_way

_WINSIZE = struct.Struct("HHHH")


class Size(NamedTuple):
    """The size of a terminal, in characters."""

    columns: int
    rows: int


#: What lies ready as if somebody had typed it. Pagers read keys from the terminal that they write
#: to, by its name (less) or by descriptor 2 (more), and would wait for ever: "q" ends each of many.
#: To open the write end for writing alone does not do: less opens it anew, and more tries again and
#: again at each error.
_KEYS = b"q" * 1000

#: What terminals have had since the VT100.
USUAL_SIZE = Size(80, 24)


def open_terminal(size: Size) -> tuple[int, int]:
    """Return the read end and the write end of a new terminal.

    It passes on what is written as it is: no echo, and no carriage return is added to a newline.
    Nobody types in it; see `_KEYS` for who waits for a key.

    Raises
    ------
    OSError
        If the system has no terminal to give. Nothing is left open.
    """
    try:
        with contextlib.ExitStack() as closing:
            read_end, write_end = os.openpty()
            closing.callback(os.close, read_end)
            closing.callback(os.close, write_end)
            tty.setraw(write_end, termios.TCSANOW)
            set_size(write_end, size)
            os.write(read_end, _KEYS)
            closing.pop_all()
    except (OSError, termios.error) as error:
        number, why = error.args[:2]
        if number in (errno.EMFILE, errno.ENFILE):
            raise
        raise OSError(
            number, f"the system has no terminal to give ({why}): capture without tty"
        ) from None
    return out_of_the_way(read_end), out_of_the_way(write_end)


def size_of(terminal: int) -> Size | None:
    """Return the size of a terminal; None if it is none, or does not know."""
    try:
        columns, rows = os.get_terminal_size(terminal)
    except OSError:
        return None
    return Size(columns, rows) if columns and rows else None


def name_of(terminal: int) -> str:
    """Return the name by which a terminal can be opened; empty if the system knows none."""
    try:
        return os.ttyname(terminal)
    except OSError:
        return ""


def set_size(terminal: int, size: Size) -> None:
    """Give a terminal another size, by any of its ends."""
    packed = _WINSIZE.pack(size.rows, size.columns, 0, 0)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, packed)
