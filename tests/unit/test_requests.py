"""What the helper does with requests that do not come whole."""

from __future__ import annotations

import os
import socket

from helpers.wait import eventually

from ipyfdcapture.drain.requests import Requests


def test_descriptors_of_a_request_that_was_cut_off_are_closed() -> None:
    owner, helper = socket.socketpair()
    read_end, write_end = os.pipe()
    with owner, helper, open(read_end, "rb") as pipe:
        socket.send_fds(owner, [b'{"do": "add", "fds": 1'], [write_end])
        os.close(write_end)
        owner.close()
        requests = Requests(helper)
        eventually(lambda: list(requests.read()) or requests.closed, "the end")
        assert pipe.read() == b""  # else it would wait for a writer
