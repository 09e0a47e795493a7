"""The helper lives and does not answer: no cell waits for it, and nothing is lost."""

from __future__ import annotations

import pytest
from conftest import Script


@pytest.mark.parametrize("live", ["", "auto"])
def test_a_stopped_helper_holds_up_no_capture(script: Script, live: str) -> None:
    assert script("bad_days/a_stopped_helper_holds_up_no_capture", live).endswith("end\n")


def test_an_interrupt_ends_the_wait_for_a_stopped_helper(script: Script) -> None:
    shown = script("bad_days/an_interrupt_ends_the_wait_for_a_stopped_helper")
    assert shown == "end\n"
