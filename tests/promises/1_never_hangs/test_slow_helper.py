"""The helper lives and does not answer: no cell waits for it, and nothing is lost."""

from __future__ import annotations

import os

import pytest
from helpers.fixtures import Script


@pytest.mark.parametrize("live", ["", "auto"])
def test_a_stopped_helper_holds_up_no_capture(script: Script, live: str) -> None:
    assert script("bad_days/a_stopped_helper_holds_up_no_capture", live).endswith("end\n")


def test_an_interrupt_ends_the_wait_for_a_stopped_helper(script: Script) -> None:
    shown = script("bad_days/an_interrupt_ends_the_wait_for_a_stopped_helper")
    assert shown == "end\n"


@pytest.mark.parametrize("drain", ["process", "thread"])
@pytest.mark.parametrize("kind", ["terminal", "pipe", "non-blocking pipe"])
@pytest.mark.skipif(not os.path.exists("/proc/self/wchan"), reason="needs Linux")
def test_what_nobody_reads_holds_up_no_other_capture(script: Script, kind: str, drain: str) -> None:
    name = "bad_days/an_unread_terminal_holds_up_no_other_capture"
    assert script(name, kind, drain) == "end\n"


@pytest.mark.parametrize("drain", ["process", "thread"])
def test_a_daemon_does_not_keep_a_log_open(script: Script, drain: str) -> None:
    assert script("bad_days/a_daemon_does_not_keep_a_log_open", drain) == "end\n"


def test_a_forked_child_that_ends_the_capture_restores(script: Script) -> None:
    assert script("bad_days/a_forked_child_that_ends_the_capture_restores") == "end\n"


def test_a_writer_does_not_wait_for_a_stopped_helper(script: Script) -> None:
    assert script("bad_days/a_writer_does_not_wait_for_a_stopped_helper") == "end\n"
