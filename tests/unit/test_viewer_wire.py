"""Messages between the kernel and its scan process."""

from __future__ import annotations

import socket
import threading

import pytest
from helpers.wait import LIMIT_S

from ipyfdcapture.viewer.wire import Wire


def test_two_that_send_more_than_a_socket_holds_do_not_wait_for_each_other() -> None:
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    kernel, scanner = Wire(ours), Wire(theirs, reads_meanwhile=True)
    asked, got = [], []

    def answer() -> None:
        while (messages := scanner.receive()) is not None:
            for message in messages:
                asked.append(message)
                scanner.send({"id": message.content["id"]}, b"a" * 50_000)

    def ask() -> None:
        for number in range(40):
            kernel.send({"id": number}, b"q" * 20_000)
        while len(got) < 40:
            got.extend(kernel.receive() or ())
        kernel.close()

    threads = [threading.Thread(target=each, daemon=True) for each in (answer, ask)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
        assert not thread.is_alive()
    scanner.close()
    for messages, payload in ((asked, b"q" * 20_000), (got, b"a" * 50_000)):
        assert [(each.content["id"], each.payload) for each in messages] == [
            (number, payload) for number in range(40)
        ]


@pytest.mark.parametrize("reads_meanwhile", [False, True])
def test_one_whose_other_end_is_gone_says_so(reads_meanwhile: bool) -> None:
    ours, theirs = socket.socketpair()
    wire = Wire(ours, reads_meanwhile)
    theirs.close()
    with pytest.raises(OSError):
        wire.send({"id": 1}, b"x" * (1 << 20))
    assert wire.receive() is None
    wire.close()
