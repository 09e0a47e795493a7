"""Pipes, reading from them and from terminals, and descriptor numbers that are out of the way.

A terminal that is emptied in place of a pipe (`ipyfdcapture.system.terminals`) differs in three
ways. A read gives at most 4 KiB. The system does not tell all that lies in it. And at its end, once
its last writer has closed it, reading fails with EIO on Linux.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys

from .descriptors import duplicate

with contextlib.suppress(ImportError):  # Windows, where nothing is captured, but logs are read
    import fcntl
    import termios

#: A pipe of macOS begins with so much, and may grow to 64 KiB.
_LEAST_PIPE_BYTES = 16 << 10
#: More than ever lies in a terminal: Linux lets some 20 KB wait in it, and never 640 KiB.
TERMINAL_BYTES = 1 << 20


def open_pipe(size: int) -> tuple[int, int]:
    """Return the ends of a pipe that holds ``size`` bytes, if the system allows it."""
    read_end, write_end = map(out_of_the_way, os.pipe())
    enlarge(write_end, size)
    return read_end, write_end


def enlarge(pipe: int, size: int) -> None:
    """Have a pipe hold ``size`` bytes, if the system allows it."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # over the user's quota: the usual size will do
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, size)


def capacity(pipe: int) -> int:
    """Return how many bytes a pipe holds; if the system won't say, the fewest that any holds."""
    try:
        return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
    except (OSError, AttributeError):
        return _LEAST_PIPE_BYTES


def waiting_bytes(pipe: int) -> int:
    """Return how many bytes lie in a pipe."""
    answer = fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0")
    return int.from_bytes(answer, sys.byteorder)


def read_some(fd: int, count: int) -> bytes:
    """Read from a pipe or a terminal, as `os.read` does; return nothing at its end."""
    try:
        return os.read(fd, count)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    # Linux looks for bytes first, and then whether a writer is left. What the last one wrote in
    # between is there now.
    try:
        return os.read(fd, count)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return b""


def splice_some(fd: int, pipe: int, count: int) -> int:
    """Move what lies in a pipe or a terminal into ``pipe``; return how much, 0 at its end.

    Raises `BlockingIOError` if nothing is there at present, or there is no room for it.
    """
    try:
        return os.splice(fd, pipe, count, flags=os.SPLICE_F_NONBLOCK)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    try:
        return os.splice(fd, pipe, count, flags=os.SPLICE_F_NONBLOCK)  # see `read_some`
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return 0


def out_of_the_way(fd: int) -> int:
    """Return ``fd`` itself, or a duplicate in its place if it is one of 0, 1 and 2.

    In a process that was started with those closed, a new descriptor would take their number.
    """
    if fd > 2:
        return fd
    try:
        return duplicate(fd)
    finally:
        os.close(fd)
