"""Redirections: one descriptor swapped for a pipe, and the way back.

Redirections of one descriptor form a stack that belongs to the process: the newest gets what is
written. They may be undone in any order and from any thread. What a descriptor was before the
first is kept apart from the stack and comes back with the last.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator


class _Descriptor:
    """One descriptor number: what it was, and the redirections on top of that."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.stack: list[Redirection] = []
        self.original: int | None = None  # a duplicate; None if the descriptor was closed
        self.inheritable = True
        with contextlib.suppress(OSError):
            self.original = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
            self.inheritable = os.get_inheritable(fd)

    def point_to(self, target: int | None) -> None:
        """Make the descriptor what ``target`` is; None closes it."""
        if target is not None:
            _replace(target, self.fd, self.inheritable)
            return
        with contextlib.suppress(OSError):
            os.close(self.fd)


_descriptors: dict[int, _Descriptor] = {}
_lock = threading.RLock()


class Redirection:
    """Descriptor ``fd`` points to ``write_end`` until `undo`.

    Takes over ``write_end`` and closes it when undone. Raises `OSError` with nothing changed.
    """

    def __init__(self, fd: int, write_end: int) -> None:
        self.fd = fd
        self.write_end = write_end
        with _lock:
            descriptor = _descriptors.get(fd) or _Descriptor(fd)
            try:
                descriptor.point_to(write_end)
            except BaseException:
                if not descriptor.stack and descriptor.original is not None:
                    os.close(descriptor.original)
                raise
            _descriptors[fd] = descriptor
            descriptor.stack.append(self)

    def dup_below(self) -> int | None:
        """Return a new descriptor for what ``fd`` was before this redirection; None if closed."""
        with _lock:
            below = self._below()
            return None if below is None else fcntl.fcntl(below, fcntl.F_DUPFD_CLOEXEC, 3)

    def _below(self) -> int | None:
        descriptor = _descriptors[self.fd]
        position = descriptor.stack.index(self)
        return descriptor.stack[position - 1].write_end if position else descriptor.original

    def undo(self) -> None:
        """Put back what is below, unless a newer redirection is on top. Idempotent."""
        with _lock:
            descriptor = _descriptors.get(self.fd)
            if descriptor is None or self not in descriptor.stack:
                return
            if descriptor.stack[-1] is self:
                self._put_back(descriptor)
            descriptor.stack.remove(self)
            os.close(self.write_end)
            if not descriptor.stack:
                del _descriptors[self.fd]
                if descriptor.original is not None:
                    os.close(descriptor.original)

    def _put_back(self, descriptor: _Descriptor) -> None:
        if self.fd > 2 and not _is_open(self.fd):
            return  # the user closed a descriptor of theirs meanwhile: it stays closed
        descriptor.point_to(self._below())


def _replace(source: int, target: int, inheritable: bool) -> None:
    """dup2, tried again: there is no other way back."""
    for attempts_left in (2, 1, 0):
        try:
            os.dup2(source, target, inheritable)
            return
        except OSError:
            if not attempts_left:
                raise


def _is_open(fd: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_GETFD)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def standing_still() -> Iterator[None]:
    """Let no other thread move a descriptor meanwhile."""
    with _lock:
        yield


os.register_at_fork(
    before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
)
