"""Whether the owner of a pump has ended, as Linux and as a kqueue tell it."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from helpers import kqueue
from helpers.wait import LIMIT_S, eventually

from ipyfdcapture.drain import owner
from ipyfdcapture.drain.owner import KqueueOwner, Owner
from ipyfdcapture.system.polling import wait_until_readable

Opener = Callable[[int], Owner]


@pytest.fixture(params=[Owner, KqueueOwner])
def open_owner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opener]:
    if request.param is Owner and not os.path.exists("/proc/self/auxv"):
        pytest.skip("needs /proc")
    if request.param is KqueueOwner and not hasattr(select, "kqueue"):
        monkeypatch.setattr(owner, "_select", SimpleNamespace(**kqueue.NAMES))
    opened: list[Owner] = []

    def make(process: int) -> Owner:
        opened.append(request.param(process))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that becomes another program once its input ends."""
    command = ["sh", "-c", "read line; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def test_one_that_lives_has_not_ended(open_owner: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "_END_S", 0.01)
    assert not open_owner(os.getpid()).has_ended()


def test_the_end_is_told_and_remembered(
    open_owner: Opener, process: subprocess.Popen[bytes]
) -> None:
    watched = open_owner(process.pid)
    process.kill()
    if watched.end is not None:
        assert wait_until_readable(watched.end, LIMIT_S)
    eventually(watched.has_ended, "the end")
    assert watched.has_ended()
    process.wait()
    assert watched.has_ended()
    late = open_owner(process.pid)
    assert late.has_ended()
    if watched.end is not None:  # else this system cannot tell
        assert late.end is not None and wait_until_readable(late.end, 0)


def test_another_program_in_its_place_is_the_end(
    open_owner: Opener, process: subprocess.Popen[bytes]
) -> None:
    watched = open_owner(process.pid)
    assert process.stdin is not None
    process.stdin.write(b"go on\n")
    process.stdin.flush()
    eventually(watched.has_ended, "another program")
    assert process.poll() is None


def test_nobody_has_ended() -> None:
    assert Owner(None).has_ended() and KqueueOwner(None).has_ended()
