"""A kqueue where there is none: what we use of it as it is documented, over Linux's epoll."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import time
from pathlib import Path
from typing import Any, NamedTuple

EV_ADD, EV_CLEAR, EV_EOF = 0x1, 0x20, 0x8000
EVFILT_READ, EVFILT_PROC = -1, -5
NOTE_EXIT, NOTE_EXEC = 0x80000000, 0x20000000

# Taken now: the tests without what Linux alone has take them away.
_epoll: Any = getattr(select, "epoll", None)
_open_process: Any = getattr(os, "pidfd_open", None)

#: How often a wait looks whether the kqueue was closed, which ends it on macOS.
_LOOK_S = 0.05


class Kevent(NamedTuple):
    """What is to be watched, or what happened."""

    ident: int
    filter: int = EVFILT_READ
    flags: int = EV_ADD
    fflags: int = 0


class Kqueue:
    """Tells what can be read, and which process has ended or runs another program.

    With `EV_EOF` the other end of a descriptor is gone, whatever waits there. With `EV_CLEAR` a
    descriptor is told at each change, else as long as something can be read. The end of a process
    is told once.
    """

    opened = 0

    def __init__(self) -> None:
        self._epoll = _epoll()
        self._status = os.fstat(self._epoll.fileno())
        self._is_open = True
        #: By the descriptor that is ready at its end.
        self._processes: dict[int, _Process] = {}
        type(self).opened += 1

    def fileno(self) -> int:
        return int(self._epoll.fileno())

    def control(
        self, changes: list[Kevent] | None, max_events: int, timeout: float | None = None
    ) -> list[Kevent]:
        self._check()
        for change in changes or ():
            if change.filter == EVFILT_PROC:
                self._watch(change)
                continue
            at_change = select.EPOLLET if change.flags & EV_CLEAR else 0
            self._epoll.register(change.ident, select.EPOLLIN | select.EPOLLRDHUP | at_change)
        if not max_events:
            return []
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _LOOK_S if deadline is None else max(0.0, deadline - time.monotonic())
            found = self._epoll.poll(min(left, _LOOK_S), max_events)
            events = [self._event(fd, mask) for fd, mask in found] + self._of_other_programs()
            if events or left == 0:
                return events[:max_events]
            self._check()

    def _check(self) -> None:
        if not os.path.samestat(os.fstat(self._epoll.fileno()), self._status):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def _watch(self, change: Kevent) -> None:
        fd = _open_process(change.ident)
        self._processes[fd] = _Process(change.ident, _program_of(change.ident))
        self._epoll.register(fd, select.EPOLLIN)

    def _event(self, fd: int, mask: int) -> Kevent:
        if fd not in self._processes:
            return Kevent(fd, EVFILT_READ, EV_EOF if mask & _GONE else 0)
        process = self._processes.pop(fd)
        self._epoll.unregister(fd)
        os.close(fd)
        return Kevent(process.number, EVFILT_PROC, EV_EOF, NOTE_EXIT)

    def _of_other_programs(self) -> list[Kevent]:
        events = []
        for fd, process in self._processes.items():
            program = _program_of(process.number)
            if program and program != process.program:
                self._processes[fd] = _Process(process.number, program)
                events.append(Kevent(process.number, EVFILT_PROC, 0, NOTE_EXEC))
        return events

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            for fd in self._processes:
                os.close(fd)
            self._epoll.close()
            type(self).opened -= 1


class _Process(NamedTuple):
    number: int
    program: bytes


def _program_of(process: int) -> bytes:
    # By a name that the tests without what Linux alone has do not hide.
    with contextlib.suppress(OSError):
        return Path(f"/dev/../proc/{process}/auxv").read_bytes()
    return b""


_GONE = getattr(select, "EPOLLHUP", 0) | getattr(select, "EPOLLRDHUP", 0)

#: By the names that `select` gives them on macOS.
NAMES: dict[str, Any] = {
    "kqueue": Kqueue,
    "kevent": Kevent,
    "KQ_FILTER_READ": EVFILT_READ,
    "KQ_FILTER_PROC": EVFILT_PROC,
    "KQ_EV_ADD": EV_ADD,
    "KQ_EV_CLEAR": EV_CLEAR,
    "KQ_EV_EOF": EV_EOF,
    "KQ_NOTE_EXIT": NOTE_EXIT,
    "KQ_NOTE_EXEC": NOTE_EXEC,
}
