"""A kqueue where there is none: `EVFILT_READ` as it is documented, over Linux's epoll."""

from __future__ import annotations

import select
from typing import Any, NamedTuple

EV_ADD, EV_CLEAR, EV_EOF = 0x1, 0x20, 0x8000
EVFILT_READ = -1

# Taken now: the tests without what Linux alone has take it away.
_epoll: Any = getattr(select, "epoll", None)


class Kevent(NamedTuple):
    """What is to be watched, or what happened."""

    ident: int
    filter: int = EVFILT_READ
    flags: int = EV_ADD


class Kqueue:
    """Tells what can be read, and with `EV_EOF` that the other end is gone, whatever waits there.

    With `EV_CLEAR` a descriptor is told at each change, else as long as something can be read.
    """

    opened = 0

    def __init__(self) -> None:
        self._epoll = _epoll()
        self._is_open = True
        type(self).opened += 1

    def fileno(self) -> int:
        return int(self._epoll.fileno())

    def control(
        self, changes: list[Kevent] | None, max_events: int, timeout: float | None = None
    ) -> list[Kevent]:
        for change in changes or ():
            at_change = select.EPOLLET if change.flags & EV_CLEAR else 0
            self._epoll.register(change.ident, select.EPOLLIN | select.EPOLLRDHUP | at_change)
        if not max_events:
            return []
        found = self._epoll.poll(timeout, max_events)
        return [Kevent(fd, EVFILT_READ, EV_EOF if mask & _GONE else 0) for fd, mask in found]

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._epoll.close()
            type(self).opened -= 1


_GONE = getattr(select, "EPOLLHUP", 0) | getattr(select, "EPOLLRDHUP", 0)

#: By the names that `select` gives them on macOS.
NAMES: dict[str, Any] = {
    "kqueue": Kqueue,
    "kevent": Kevent,
    "KQ_FILTER_READ": EVFILT_READ,
    "KQ_EV_ADD": EV_ADD,
    "KQ_EV_CLEAR": EV_CLEAR,
    "KQ_EV_EOF": EV_EOF,
}
