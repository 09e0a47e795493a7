"""A capture with terminals leaves nothing behind, and changes nothing if there are none."""

from __future__ import annotations

import sys

import pytest
from helpers.fixtures import Script

both_drains = pytest.mark.parametrize("drain", ["process", "thread"])


@both_drains
@pytest.mark.parametrize(
    "name",
    [
        "everything_is_as_it_was",
        "a_hundred_terminals_at_once",
        "no_terminal_to_be_had_is_told_in_one_line",
    ],
)
def test_with_terminals(script: Script, name: str, drain: str) -> None:
    assert script(f"terminals/{name}", drain) == "[]\n"


@both_drains
@pytest.mark.skipif(sys.platform != "linux", reason="its terminals are a file system of Linux")
def test_a_system_without_terminals_left(script: Script, drain: str) -> None:
    found = script("terminals/no_terminal_is_left_in_the_system", drain)
    if found == "cannot mount\n":
        pytest.skip("only who may mount can have a system without terminals")
    assert found == "True\n"
