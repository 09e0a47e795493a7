"""A thread empties the pipes: nothing that Python runs in it may wait for itself."""

from __future__ import annotations

import pytest
from helpers.fixtures import Script


@pytest.mark.parametrize("how", ["print", "print to stderr", "os.write"])
def test_what_is_printed_by_chance_where_pipes_are_emptied_passes_by_them(
    script: Script, how: str
) -> None:
    shown = script("thread_drain/what_is_printed_where_pipes_are_emptied", how)
    assert shown.lstrip("x").strip() == "['ipyfdcapture-drain'] 'captured\\n'"


@pytest.mark.parametrize("who", ["python", "c"])
def test_an_unfinished_line_amid_a_flood_is_left_to_who_writes_it(script: Script, who: str) -> None:
    shown = script("thread_drain/an_unfinished_line_amid_a_flood", who)
    assert shown == "9999990 True\n"


def test_a_forked_child_empties_no_pipes(script: Script) -> None:
    assert script("thread_drain/a_forked_child_empties_no_pipes") == "(True, 0) False\n"
