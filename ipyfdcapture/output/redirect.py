"""Redirections: one descriptor swapped for a pipe, and the way back.

Redirections of one descriptor form a stack that belongs to the process: the newest gets what is
written. They may be undone in any order and from any thread: each keeps a duplicate of the
original that it replaced, and one that is undone under a newer one leaves its original to that.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Iterable

from ..system.descriptors import Descriptor, duplicate, lead
from ..system.forking import Stage, at_fork

_stacks: dict[int, list[Redirection]] = {}
_lock = threading.RLock()


class Redirection:
    """Descriptor ``fd`` points to ``write_end`` until `undo`.

    Takes over ``write_end`` and closes it when undone. Raises `OSError` with nothing changed.
    """

    def __init__(self, fd: int, write_end: int) -> None:
        self.fd = fd
        self.write_end = Descriptor(write_end)
        with _lock:
            #: What the descriptor was; None if it was closed.
            self._original: Descriptor | None = None
            #: The redirection that it led to, if it led to one.
            self._outer: Redirection | None = None
            self._original_inheritable = True
            flags = _flags_of(fd)
            if flags is not None:
                self._original_inheritable = not flags & fcntl.FD_CLOEXEC
                self._original = Descriptor.duplicate_of(fd)
            try:
                stack = _stacks.get(fd, [])
                if stack and self._original is not None and stack[-1].write_end.is_same(fd):
                    self._outer = stack[-1]
                # 1 and 2 are for children too, whatever they were.
                _replace(write_end, fd, fd <= 2 or self._original_inheritable)
            except BaseException:
                self._close_original()
                raise
            _stacks[fd] = [*stack, self]

    def dup_original(self) -> int | None:
        """Return a new descriptor for what ``fd`` is without this and newer ones; None if closed.

        Also after `undo`: another may take its place at any moment.
        """
        with _lock:
            stack = _stacks.get(self.fd, [])
            if self in stack:
                original = self._original
                return duplicate(original) if original is not None and original.is_ours() else None
            outer = self._outer
            while outer is not None and outer not in stack:
                outer = outer._outer
            if outer is not None and stack[-1].write_end.is_same(self.fd):
                return duplicate(outer.write_end)
            return dup_base(self.fd)

    def dup_base(self) -> int | None:
        """Return a new descriptor for what ``fd`` was before this and all that it stands on."""
        with _lock:
            base = self
            while base._outer is not None:
                base = base._outer
            return base.dup_original()

    def lead_to(self, write_end: Descriptor, ours: Iterable[Descriptor] = ()) -> Descriptor:
        """Lead the descriptor to another pipe from now on, and own its write end.

        Where somebody else has led it elsewhere, it stays there. But not if that is one of
        ``ours``, the pipes that it led to before: a program may have put back what it had kept.
        Returns the write end of the pipe before, which the caller owns now; of a redirection that
        is undone ``write_end`` itself. Raises `OSError` with nothing changed.
        """
        with _lock:
            stack = _stacks.get(self.fd, [])
            if self not in stack:
                return write_end
            newer = [each for each in stack if each._outer is self]
            for each in newer:
                original = Descriptor.duplicate_of(write_end)
                each._close_original()
                each._original = original
            if not newer and any(each.is_same(self.fd) for each in (self.write_end, *ours)):
                _replace(write_end, self.fd, inheritable=True)
            former, self.write_end = self.write_end, write_end
            return former

    def undo(self) -> None:
        """Put back what was found, unless a newer redirection is on top. Idempotent."""
        with _lock:
            stack = _stacks.get(self.fd, [])
            if self not in stack:
                return
            if stack[-1] is self:
                self._put_back()
            else:
                for each in stack:
                    if each._outer is self:
                        each._inherit(self)
            stack.remove(self)
            if not stack:
                del _stacks[self.fd]
            self.write_end.close()
            self._close_original()

    def _put_back(self) -> None:
        if self.fd > 2 and not (_is_open(self.fd) and self.write_end.is_same(self.fd)):
            return  # the user closed it meanwhile, and may have given its number to another file
        if self._original is not None:
            if self._original.is_ours():
                _replace(self._original, self.fd, self._original_inheritable)
            return
        with contextlib.suppress(OSError):
            os.close(self.fd)

    def _inherit(self, gone: Redirection) -> None:
        """Put back what ``gone`` would have, now that it is gone."""
        self._close_original()
        self._original, gone._original = gone._original, None
        self._original_inheritable = gone._original_inheritable
        self._outer = gone._outer

    def _close_original(self) -> None:
        if self._original is not None:
            self._original.close()
            self._original = None


def count_redirections(fd: int) -> int:
    """Return how many of ours of a descriptor are not undone."""
    return len(_stacks.get(fd, ()))


def dup_base(fd: int) -> int | None:
    """Return a new descriptor for what ``fd`` is without our redirections; None if closed."""
    with _lock:
        if not _is_open(fd):
            return None
        stack = _stacks.get(fd, [])
        if stack and stack[-1].write_end.is_same(fd):
            return stack[-1].dup_base()
        return duplicate(fd)


def _replace(source: int, target: int, inheritable: bool) -> None:
    """dup2, tried again: there is no other way back. At last past what a program put there."""
    for dup2 in (os.dup2, os.dup2, lead):
        try:
            dup2(source, target, inheritable)
            return
        except OSError:
            if dup2 is lead:
                raise


def _is_open(fd: int) -> bool:
    return _flags_of(fd) is not None


def _flags_of(fd: int) -> int | None:
    """Return the flags of a descriptor; None if it is closed."""
    try:
        return fcntl.fcntl(fd, fcntl.F_GETFD)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise
        return None


class ClosedStandardDescriptors:
    """While entered, those of 0, 1 and 2 that are closed are held by ``/dev/null``.

    Otherwise the next pipe or socket would get their numbers, and be overwritten when they are
    redirected.
    """

    def __init__(self) -> None:
        self._held: set[int] = set()

    def __enter__(self) -> ClosedStandardDescriptors:
        for fd in (0, 1, 2):
            if not _is_open(fd):
                held = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
                self._held.add(held)
        return self

    def __contains__(self, fd: int) -> bool:
        return fd in self._held

    def give_way(self, fd: int) -> None:
        """Close ``fd`` again, if it is one of them."""
        if fd in self._held:
            self._held.remove(fd)
            os.close(fd)

    def __exit__(self, *_: object) -> None:
        for fd in list(self._held):
            self.give_way(fd)


def _close_write_ends() -> None:
    """In a forked child: keep nothing of a pipe but 1 and 2 themselves.

    A daemon leads those elsewhere, and holds nothing of ours then: its log is complete. Which
    pipe it was is still known, and what was there before is put back if the child ends the
    capture. Of several captures, each needs its own pipe.
    """
    for stack in _stacks.values():
        if len(stack) == 1:
            with contextlib.suppress(OSError):
                stack[0].write_end.close()


at_fork(Stage.STATE, in_child=_close_write_ends)
at_fork(Stage.LOCKS, before=_lock.acquire, in_parent=_lock.release, in_child=_lock.release)
