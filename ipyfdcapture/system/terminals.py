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


#: What terminals have had since the VT100.
USUAL_SIZE = Size(80, 24)


def open_terminal(size: Size) -> tuple[int, int]:
    """Return the read end and the write end of a new terminal.

    It passes on what is written as it is: no echo, and no carriage return is added to a newline.
    The write end can only be written to. So a program that asks it for a key, as pagers do, gets an
    error in place of waiting for ever; and a process that opens it anew by ``/dev/stdout`` to write
    to it does not make it its controlling terminal, whose end would kill that process.

    Raises
    ------
    OSError
        If the system has no terminal to give. Nothing is left open.
    """
    try:
        with contextlib.ExitStack() as opened, contextlib.ExitStack() as closing:
            read_end, both_ways = os.openpty()
            opened.callback(os.close, both_ways)
            closing.callback(os.close, read_end)
            tty.setraw(both_ways, termios.TCSANOW)
            set_size(both_ways, size)
            flags = os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC
            write_end = out_of_the_way(os.open(os.ttyname(both_ways), flags))
            closing.pop_all()
    except (OSError, termios.error) as error:
        number, why = error.args[:2]
        if number in (errno.EMFILE, errno.ENFILE):
            raise
        raise OSError(
            number, f"the system has no terminal to give ({why}): capture without tty"
        ) from None
    return read_end, write_end


def size_of(terminal: int) -> Size | None:
    """Return the size of a terminal; None if it is none, or does not know."""
    try:
        columns, rows = os.get_terminal_size(terminal)
    except OSError:
        return None
    return Size(columns, rows) if columns and rows else None


def set_size(terminal: int, size: Size) -> None:
    """Give a terminal another size, by any of its ends."""
    packed = _WINSIZE.pack(size.rows, size.columns, 0, 0)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, packed)
