"""Descriptors: opening, duplicating and reading them, and those of ours that others have closed.

Programs that become daemons close all that there are. The number of such a descriptor may be
another file's then, which must neither be written to nor closed, nor be put or sent anywhere.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import socket
import sys

with contextlib.suppress(ImportError):  # Windows, where nothing is captured, but logs are read
    import fcntl

#: How files are opened: children do not get them, and bytes stay as they are. The one is on all
#: systems but Windows, the other there alone.
AS_IT_IS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
#: How those are opened that are ours alone: nobody leads us elsewhere by a link.
PRIVATE = AS_IT_IS | getattr(os, "O_NOFOLLOW", 0)
#: How is sent what the other end may not live to read. A program that has set SIGPIPE back to what
#: it does by default (many do, for `head`) would be ended by the death of its helper.
NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)
#: The same where it belongs to a socket: `SO_NOSIGPIPE` of macOS, which Python does not name.
_SO_NOSIGPIPE = 0x1022 if sys.platform == "darwin" else None


#: ``os.write`` and others, whatever a program or a capture has put into their place. They are
#: wrapped because pyfakefs replaces the functions of ``os`` that it finds in modules.
write_once = functools.partial(os.write)
status_of = functools.partial(os.fstat)
lead = functools.partial(os.dup2)
close_number = functools.partial(os.close)

#: The descriptors that programs write to, and the streams that Python has for them.
STREAM_NAMES = {1: "stdout", 2: "stderr"}


def open_private(path: str, flags: int) -> int:
    """Open a file that is made if there is none. Its owner alone can use it, whatever the umask."""
    fd = os.open(path, flags | os.O_CREAT | PRIVATE, 0o600)
    try:
        if os.fstat(fd).st_mode & 0o600 != 0o600:  # an umask of 0777
            os.fchmod(fd, 0o600)
    except OSError:  # it is open all the same
        pass
    return fd


def duplicate(fd: int) -> int:
    """Return a new descriptor above 2 for what ``fd`` is. Children do not get it."""
    if not hasattr(os, "pread"):  # Windows, which has no `fcntl` either
        return os.dup(fd)
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)


def duplicate_if_open(fd: int) -> int | None:
    """Return a new descriptor as `duplicate` does, or None if there is none to be had."""
    try:
        return duplicate(fd)
    except OSError:
        return None


def read_at(fd: int, size: int, position: int) -> bytes:
    """Return up to ``size`` bytes of an open file, from a position on."""
    if hasattr(os, "pread"):
        return os.pread(fd, size, position)
    os.lseek(fd, position, os.SEEK_SET)
    return os.read(fd, size)


class Descriptor(int):
    """The number of a descriptor, and what tells whether it is still the same file's."""

    #: The inode and the device of the file; None if the system would not tell.
    _inode: int | None
    _device: int
    #: To see the same file is not enough then: all terminals are read by one file, /dev/ptmx.
    _is_closed = False

    def __new__(cls, fd: int) -> Descriptor:
        """Take note of what ``fd`` is."""
        self = super().__new__(cls, fd)
        try:
            found = status_of(fd)
        except OSError:  # who cannot tell takes it for ours
            self._inode, self._device = None, 0
        else:
            self._inode, self._device = found.st_ino, found.st_dev
        return self

    @classmethod
    def duplicate_of(cls, fd: int) -> Descriptor:
        """Return a new descriptor for what ``fd`` is."""
        return cls(duplicate(fd))

    def is_ours(self) -> bool:
        """Tell whether it was left alone."""
        return not self._is_closed and (self._inode is None or self.is_same(self))

    def is_same(self, fd: int) -> bool:
        """Tell whether ``fd`` leads to the file that this one led to at first."""
        if self._inode is None:
            return False
        try:
            found = status_of(fd)
        except OSError as error:
            return error.errno != errno.EBADF
        # Not os.path.samestat: this is asked at each write to a capture's own pipe.
        return found.st_ino == self._inode and found.st_dev == self._device

    def close(self) -> None:
        """Close it, unless somebody else did. Idempotent."""
        if self.is_ours():
            self._is_closed = True
            close_number(self)


class Socket(socket.socket):
    """The same for a socket. Takes over ``fd``."""

    def __init__(self, fd: int) -> None:
        self._descriptor = Descriptor(fd)
        super().__init__(fileno=fd)
        if _SO_NOSIGPIPE is not None:
            with contextlib.suppress(OSError):  # the other end is gone by now
                self.setsockopt(socket.SOL_SOCKET, _SO_NOSIGPIPE, 1)

    def is_ours(self) -> bool:
        """Tell whether it is open and was left alone."""
        return self.fileno() >= 0 and self._descriptor.is_ours()

    def close(self) -> None:
        """Close it, unless somebody else did."""
        if self.fileno() >= 0 and not self._descriptor.is_ours():
            self.detach()
        super().close()

    def __del__(self) -> None:
        if self.fileno() >= 0:
            self.close()
