"""Large logs in a process that may use little."""

from __future__ import annotations

import os

import pytest
from helpers.fixtures import Script


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux")
def test_a_log_longer_than_the_address_space_can_be_read(script: Script) -> None:
    assert script("bad_days/a_log_longer_than_the_address_space") == "end\n"


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux")
def test_one_line_of_gigabytes_is_looked_at_in_pieces(script: Script) -> None:
    assert script("bad_days/one_line_of_gigabytes_is_looked_at_in_pieces") == "end\n"
