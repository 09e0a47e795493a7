"""Waiting for descriptors, and asking whether their other end is gone.

The *other end* of a pipe is its writers, that of a socket its peer. `select.poll` tells that it is
gone when no event at all is asked for; on macOS it never does. There, and wherever the system has
it, `select.kqueue` does.
"""

from __future__ import annotations

import errno
import select
from collections.abc import Iterable
from typing import Any

from . import clock
from .descriptors import Descriptor
from .pipes import waiting_bytes


class PollWaiter:
    """Waits until one of several descriptors is ready. A context manager, to be closed.

    Parameters
    ----------
    closed
        Descriptors that are ready once their other end is gone. What waits to be read there does
        not matter.
    readable
        Descriptors that are ready once something can be read, be it their end.
    """

    def __init__(self, closed: Iterable[int] = (), readable: Iterable[int] = ()) -> None:
        self._poll = select.poll()
        for fd in readable:
            self._poll.register(fd, select.POLLIN)
        for fd in closed:
            self._poll.register(fd, 0)  # no event is asked for: only the end is told

    def wait(self, timeout_s: float | None = None) -> set[int]:
        """Return those that are ready; none if the time is over. None: wait without a limit."""
        timeout_ms = None if timeout_s is None else max(0.0, timeout_s) * 1000
        return {fd for fd, _ in self._poll.poll(timeout_ms)}

    def close(self) -> None:
        """Release what the system keeps for it."""

    def __enter__(self) -> PollWaiter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_select: Any = select  # what it has differs from system to system


class KqueueWaiter(PollWaiter):
    """The same with a kqueue.

    That is a descriptor as well: a program that closes all that there are closes it too, and its
    number may be another file's then.
    """

    def __init__(self, closed: Iterable[int] = (), readable: Iterable[int] = ()) -> None:
        self._closed = frozenset(map(int, closed))
        self._gone: set[int] = set()
        self._kqueue = _open_kqueue()
        self._descriptor = Descriptor(self._kqueue.fileno())
        self._watched: list[Descriptor] = []
        try:
            for fd in readable:
                self._add(fd, 0)
            for fd in self._closed:
                # At each change only: what waits to be read would else wake us for ever.
                self._add(fd, _select.KQ_EV_CLEAR)
        except BaseException:
            self.close()
            raise

    def _add(self, fd: int, flags: int) -> None:
        if fd == self._kqueue.fileno():  # it was closed, and its number free
            self._gone.add(fd)
            return
        self._watched.append(Descriptor(fd))
        event = _select.kevent(fd, _select.KQ_FILTER_READ, _select.KQ_EV_ADD | flags)
        try:
            self._kqueue.control([event], 0)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            self._watched.pop()
            self._gone.add(fd)  # as poll has it

    def wait(self, timeout_s: float | None = None) -> set[int]:
        """Return those that are ready; none if the time is over. None: wait without a limit."""
        deadline = None if timeout_s is None else clock.monotonic() + max(0.0, timeout_s)
        while True:
            left = None if deadline is None else max(0.0, deadline - clock.monotonic())
            ready = self._ready(0 if self._gone else left)
            if ready or left == 0:
                return ready

    def _ready(self, timeout_s: float | None) -> set[int]:
        ready = set()
        # A kqueue forgets what is closed; poll calls that gone.
        self._gone.update(fd for fd in self._watched if not fd.is_ours())
        for event in self._events(0 if self._gone else timeout_s):
            if event.ident not in self._closed:
                ready.add(event.ident)
            elif event.flags & _select.KQ_EV_EOF:
                self._gone.add(event.ident)  # told once
        return ready | self._gone

    def _events(self, timeout_s: float | None) -> Any:
        # Who closed all that it watches has closed it too: another kqueue would look the same.
        if self._descriptor.is_ours() and any(fd.is_ours() for fd in self._watched):
            try:
                return self._kqueue.control(None, 64, timeout_s)
            except OSError as error:
                if error.errno != errno.EBADF:  # closed while we waited
                    raise
        self._gone.update(self._watched)
        return ()

    def close(self) -> None:
        """Release what the system keeps for it."""
        if self._descriptor.is_ours():
            self._kqueue.close()
        else:
            _not_ours.append(self._kqueue)


#: Kqueues that somebody else has closed. They would close whatever has their number now, also when
#: they are collected: so they never are.
_not_ours: list[Any] = []


def _open_kqueue() -> Any:
    """Return a kqueue, not in the place of a descriptor 0, 1 or 2 that is closed."""
    in_the_way = []
    try:
        while (kqueue := _select.kqueue()).fileno() <= 2:
            in_the_way.append(kqueue)
        return kqueue
    finally:
        for each in in_the_way:
            each.close()


#: What this system has.
Waiter: type[PollWaiter] = KqueueWaiter if hasattr(select, "kqueue") else PollWaiter


def is_closed(fd: int) -> bool:
    """Tell whether the other end of ``fd`` is gone."""
    return wait_until_closed(fd, 0)


def wait_until_closed(fd: int, timeout_s: float | None = None) -> bool:
    """Wait until the other end of ``fd`` is gone; tell whether it is. None: without a limit."""
    with Waiter(closed=[fd]) as waiter:
        return bool(waiter.wait(timeout_s))


def at_end(*pipes: int) -> bool:
    """Tell whether all pipes are empty and have no writer left; of terminals, never too soon."""
    with Waiter(closed=pipes) as waiter:
        # Asked twice: what was written to a terminal can be counted once it has been asked for.
        for _ in range(2):
            if len(waiter.wait(0)) < len(pipes):
                return False
    return not any(map(waiting_bytes, pipes))


def wait_until_readable(fd: int, timeout_s: float | None = None) -> bool:
    """Wait until something can be read from ``fd``; tell whether it can."""
    with Waiter(readable=[fd]) as waiter:
        return bool(waiter.wait(timeout_s))


def wait_until_writable(fd: int, timeout_s: float | None = None) -> bool:
    """Wait until ``fd`` takes something; tell whether it does. None: without a limit."""
    timeout_ms = None if timeout_s is None else max(0.0, timeout_s) * 1000
    return bool(_poll_to_write(fd).poll(timeout_ms))


def _poll_to_write(fd: int) -> select.poll:
    waiter = select.poll()
    waiter.register(fd, select.POLLOUT)
    return waiter
