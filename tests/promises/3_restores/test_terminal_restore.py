"""A capture with terminals leaves nothing behind, and changes nothing if there are none."""

from __future__ import annotations

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
