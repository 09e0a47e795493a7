"""Many threads at once, which change places as often as Python lets them."""

from __future__ import annotations

import pytest
from helpers.fixtures import Rounds, Script


@pytest.mark.parametrize("drain", ["process", "thread"])
def test_each_line_of_sixteen_threads_is_in_its_log_once(
    script: Script, rounds: Rounds, drain: str
) -> None:
    shown = script(
        "threads/sixteen_threads_with_a_tiny_switch_interval",
        drain,
        str(rounds(3, full=60)),
        timeout=60 * rounds(1, full=20),
    )
    assert shown.startswith("end ")
