"""Whether the other end of a descriptor is gone, as poll and as a kqueue tell it."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from helpers import kqueue
from helpers.fixtures import Script

from ipyfdcapture.system import polling
from ipyfdcapture.system.polling import KqueueWaiter, PollWaiter

LIMIT_S = 20.0


@pytest.fixture(params=["poll", "kqueue"])
def waiter_class(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[PollWaiter]]:
    if request.param == "poll" and hasattr(select, "kqueue"):
        pytest.skip("where there is a kqueue, poll need not tell that the other end is gone")
    cls: type[PollWaiter] = PollWaiter
    if request.param == "kqueue":
        cls = KqueueWaiter
        if not hasattr(select, "kqueue"):
            monkeypatch.setattr(polling, "_select", SimpleNamespace(**kqueue.NAMES))
    monkeypatch.setattr(polling, "Waiter", cls)
    opened = kqueue.Kqueue.opened
    yield cls
    assert kqueue.Kqueue.opened == opened


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


def test_it_takes_none_of_the_numbers_0_1_and_2(script: Script) -> None:
    """They were closed, and are to be captured or opened by somebody else."""
    assert script("restore/a_waiter_leaves_the_lowest_numbers_free") == "end\n"


def test_one_whose_descriptors_were_closed_tells_so_and_leaves_others_alone(script: Script) -> None:
    name = "restore/a_waiter_whose_descriptors_were_closed_leaves_others_alone"
    assert script(name) == "end\n"
