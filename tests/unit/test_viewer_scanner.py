"""In which order the scan process does what it is asked for."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from helpers.logs import make_log
from helpers.wait import LIMIT_S

from ipyfdcapture.log.captured import Captured
from ipyfdcapture.log.lines import BLOCK_BYTES
from ipyfdcapture.viewer import scanner as scanner_module
from ipyfdcapture.viewer.scan import Scan
from ipyfdcapture.viewer.scanner import Scanner
from ipyfdcapture.viewer.wire import Wire

LEVELS = {"kind": "levels"}
SOURCES = {"kind": "sources", "wanted": [0]}
SEARCH = {"kind": "search", "text": "x", "regex": False, "case": True}


class Asking(Scan):
    """The kernel's side of a scan process that is this very process."""

    def __init__(self, end: socket.socket) -> None:
        self.wire = Wire(end)
        self._copies = {}

    def scan(self, number: int, kind: dict[str, Any]) -> None:
        self.ask("scan", number, start=0, again=[], **kind)


@pytest.fixture
def log() -> Captured:
    """A log of several blocks."""
    return make_log([(0, b"line\n" * BLOCK_BYTES)])


@pytest.fixture
def asking() -> Iterator[tuple[Asking, Scanner]]:
    before = signal.getsignal(signal.SIGALRM)
    ours, theirs = socket.socketpair()
    try:
        with ours, theirs:
            yield Asking(ours), Scanner(Wire(theirs))
    finally:
        signal.signal(signal.SIGALRM, before)


def order_of_ends(asking: Asking, scanner: Scanner, tasks: int) -> list[int]:
    """Let the scanner do what it was asked for; return its tasks as they ended."""
    ended: list[int] = []

    def receive() -> None:
        while len(ended) < tasks and (messages := asking.receive()) is not None:
            ended.extend(m.content["id"] for m in messages if m.content.get("done"))
        asking.wire.socket.shutdown(socket.SHUT_RDWR)

    receiver = threading.Thread(target=receive)
    receiver.start()
    try:
        scanner.run()
    finally:
        receiver.join(LIMIT_S)
    return ended


def opened(asking: Asking, log: Captured) -> None:
    reading = log._read()
    asking.open(1, log.recording, reading, reading.indices, reset=True)


@pytest.mark.parametrize("wanted", [2, 3, 4])
def test_what_the_user_waits_for_goes_first(
    wanted: int, asking: tuple[Asking, Scanner], log: Captured
) -> None:
    kernel, scanner = asking
    opened(kernel, log)
    for number, kind in enumerate((LEVELS, SOURCES, SEARCH), 2):
        kernel.scan(number, kind)
    kernel.ask("want", 9, tasks=[wanted])
    assert order_of_ends(kernel, scanner, 3)[0] == wanted


def test_what_the_user_waits_for_is_looked_through_side_by_side(
    asking: tuple[Asking, Scanner], log: Captured
) -> None:
    kernel, scanner = asking
    opened(kernel, log)
    steps: list[tuple[float, float]] = []
    for number, kind in ((2, LEVELS), (3, SOURCES), (4, SEARCH)):
        kernel.scan(number, kind)
    kernel.ask("want", 9, tasks=[3, 4])
    go_on = scanner._go_on

    def noted() -> None:
        go_on()
        if 3 in scanner._tasks and 4 in scanner._tasks:
            steps.append((scanner._spent[3], scanner._spent[4]))

    scanner._go_on = noted  # type: ignore[method-assign]
    assert order_of_ends(kernel, scanner, 3)[2] == 2
    assert len(steps) > 4
    both = list(zip(steps, [(0.0, 0.0), *steps], strict=False))
    longest = max(now[i] - before[i] for now, before in both for i in (0, 1))
    assert all(abs(one - other) <= longest for one, other in steps)


def test_what_takes_a_moment_does_not_wait_for_what_takes_a_minute(
    asking: tuple[Asking, Scanner], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, scanner = asking
    now = 0.0
    blocks = {3: 0, 4: 0}

    def work(number: int, seconds: float) -> Iterator[None]:
        nonlocal now
        for _ in range(100):
            now += seconds
            blocks[number] += 1
            yield

    monkeypatch.setattr(scanner_module.clock, "monotonic", lambda: now)
    scanner._tasks = {3: work(3, 0.25), 4: work(4, 10.0)}
    scanner._spent = {3: 0.0, 4: 0.0}
    while 3 in scanner._tasks:
        scanner._go_on()
    assert blocks == {3: 100, 4: 3}
