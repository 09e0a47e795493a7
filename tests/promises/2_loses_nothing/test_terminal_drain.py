"""Terminals in place of pipes are emptied under the same promises."""

from __future__ import annotations

import pytest
from helpers.fixtures import Script
from helpers.native import Native

both_drains = pytest.mark.parametrize("drain", ["process", "thread"])


@both_drains
def test_a_flood_of_both_streams_is_whole(script: Script, native: Native, drain: str) -> None:
    assert script("terminals/a_flood_of_both_streams_is_whole", native.c(), drain) == "[]\n"


@both_drains
def test_a_child_that_outlives_its_capture_goes_on(script: Script, drain: str) -> None:
    script("terminals/a_child_that_outlives_its_capture_goes_on", drain)


@both_drains
def test_no_controlling_terminal_is_taken_from_or_given_to_anyone(
    script: Script, drain: str
) -> None:
    assert script("terminals/no_controlling_terminal_is_taken", drain) == "alive\n"
