"""Pipes, and descriptor numbers that are out of the way."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import termios


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
    """Return how many bytes a pipe holds, or what the first Linux pipes held if it won't say."""
    try:
        return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
    except (OSError, AttributeError):
        return 64 << 10


def waiting_bytes(pipe: int) -> int:
    """Return how many bytes lie in a pipe."""
    answer = fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0")
    return int.from_bytes(answer, sys.byteorder)


def out_of_the_way(fd: int) -> int:
    """Return ``fd`` itself, or a duplicate in its place if it is one of 0, 1 and 2.

    In a process that was started with those closed, a new descriptor would take their number.
    """
    if fd > 2:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(fd)
