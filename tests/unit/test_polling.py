"""Whether the other end of a descriptor is gone, as poll and as a kqueue tell it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from ipyfdcapture.system import polling
from ipyfdcapture.system.polling import KqueueWaiter, PollWaiter

LIMIT_S = 20.0
EV_ADD, EV_CLEAR, EV_EOF = 0x1, 0x20, 0x8000


class _Kevent(NamedTuple):
    ident: int
    filter: int
    flags: int


class _StandInKqueue:
    """Behaves as kqueue's EVFILT_READ is documented, where there is none."""

    opened = 0

    def __init__(self) -> None:
        type(self).opened += 1
        self._flags: dict[int, int] = {}
        self._told: dict[int, tuple[int, bool]] = {}

    def control(
        self, changes: list[_Kevent] | None, max_events: int, timeout: float | None = None
    ) -> list[_Kevent]:
        for change in changes or ():
            os.fstat(change.ident)
            self._flags[change.ident] = change.flags
        if not max_events:
            return []
        deadline = time.monotonic() + (LIMIT_S if timeout is None else timeout)
        while True:
            events = [event for fd in self._flags for event in self._event(fd)][:max_events]
            if events or time.monotonic() >= deadline:
                return events
            select.select([], [], [], 0.001)

    def _event(self, fd: int) -> Iterator[_Kevent]:
        waiting = int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"), sys.byteorder)
        poll = select.poll()
        poll.register(fd, select.POLLRDHUP)
        at_end = any(found & (select.POLLHUP | select.POLLRDHUP) for _, found in poll.poll(0))
        told = self._told.get(fd, (0, False))
        is_new = waiting > told[0] or at_end > told[1]
        self._told[fd] = waiting, at_end
        if is_new if self._flags[fd] & EV_CLEAR else waiting or at_end:
            yield _Kevent(fd, -1, EV_EOF if at_end else 0)

    def close(self) -> None:
        type(self).opened -= 1


@pytest.fixture(params=["poll", "kqueue"])
def waiter_class(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[PollWaiter]]:
    cls: type[PollWaiter] = PollWaiter
    if request.param == "kqueue":
        cls = KqueueWaiter
        if not hasattr(select, "kqueue"):
            stand_in = SimpleNamespace(
                kqueue=_StandInKqueue,
                kevent=_Kevent,
                KQ_FILTER_READ=-1,
                KQ_EV_ADD=EV_ADD,
                KQ_EV_CLEAR=EV_CLEAR,
                KQ_EV_EOF=EV_EOF,
            )
            monkeypatch.setattr(polling, "_select", stand_in)
    monkeypatch.setattr(polling, "Waiter", cls)
    yield cls
    assert _StandInKqueue.opened == 0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read_end, write_end = os.pipe()
    yield read_end, write_end
    for fd in (read_end, write_end):
        with contextlib.suppress(OSError):
            os.close(fd)


def _soon(function: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(0.05, function)
    timer.start()
    return timer


def test_a_pipe_is_closed_once_its_last_writer_is_whatever_waits_in_it(
    waiter_class: type[PollWaiter], pipe: tuple[int, int]
) -> None:
    read_end, write_end = pipe
    second = os.dup(write_end)
    with waiter_class(closed=[read_end]) as waiter:
        assert waiter.wait(0) == set()
        os.write(write_end, b"waits")
        assert waiter.wait(0) == waiter.wait(0.01) == set()
        os.close(second)
        assert waiter.wait(0.01) == set()
        os.close(write_end)
        assert waiter.wait(LIMIT_S) == waiter.wait(0) == {read_end}
        assert not polling.at_end(read_end)
        os.read(read_end, 5)
        assert waiter.wait(0) == {read_end}
        assert polling.at_end(read_end)


def test_a_socket_is_closed_once_its_peer_is(waiter_class: type[PollWaiter]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, waiter_class(closed=[ours.fileno()]) as waiter:
        theirs.sendall(b"an answer")
        assert waiter.wait(0) == set()
        theirs.close()
        assert waiter.wait(LIMIT_S) == {ours.fileno()}


def test_it_waits_until_the_writer_closes(
    waiter_class: type[PollWaiter], pipe: tuple[int, int]
) -> None:
    read_end, write_end = pipe
    assert not polling.wait_until_closed(read_end, 0.001)
    timer = _soon(lambda: (os.write(write_end, b"last"), os.close(write_end)))
    assert polling.wait_until_closed(read_end)
    timer.join(LIMIT_S)


def test_one_that_is_readable_ends_the_wait_for_another(
    waiter_class: type[PollWaiter], pipe: tuple[int, int]
) -> None:
    ours, theirs = socket.socketpair()
    read_end, write_end = pipe
    with ours, theirs, waiter_class(closed=[ours.fileno()], readable=[read_end]) as waiter:
        assert waiter.wait(0) == set()
        timer = _soon(lambda: os.write(write_end, b"x"))
        assert waiter.wait(LIMIT_S) == {read_end}
        timer.join(LIMIT_S)
        theirs.close()
        assert waiter.wait(LIMIT_S) >= {ours.fileno()} - {read_end}
        assert polling.wait_until_readable(read_end, 0)


def test_a_descriptor_that_is_closed_has_no_other_end(waiter_class: type[PollWaiter]) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    os.close(write_end)
    assert polling.is_closed(read_end)


def test_a_limit_below_zero_does_not_wait(
    waiter_class: type[PollWaiter], pipe: tuple[int, int]
) -> None:
    assert not polling.wait_until_closed(pipe[0], -1)
