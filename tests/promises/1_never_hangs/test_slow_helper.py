"""The helper lives and does not answer: no cell waits for it, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.fixtures import Script
from helpers.native import Native
from helpers.tools import tool_environment


@pytest.mark.parametrize("live", ["", "auto"])
def test_a_stopped_helper_holds_up_no_capture(script: Script, live: str) -> None:
    shown = script("bad_days/a_stopped_helper_holds_up_no_capture", live).splitlines()
    # What the helper had yet to record is shown live once it goes on, if the program still runs.
    assert [line for line in shown if not live or line != "one line"] == ["end"]


@pytest.mark.parametrize("kind", ["plain", "live", "callback"])
@pytest.mark.skipif(not hasattr(os, "splice"), reason="the helper may have it in memory")
def test_the_end_of_what_took_nothing_asks_no_helper(script: Script, kind: str) -> None:
    assert script("bad_days/the_end_of_what_took_nothing_asks_no_helper", kind) == "end\n"


def test_each_log_that_a_stopped_helper_lacks_is_told_of(script: Script) -> None:
    """And that a callback, which is called no more after the stop, was not given it."""
    assert script("bad_days/each_log_that_a_stopped_helper_lacks_is_told_of") == "end\n"


@pytest.mark.parametrize("arguments", [["helper", "before"], ["helper", "about"], ["live_targets"]])
def test_a_process_that_was_stopped_waits_as_if_no_time_had_passed(
    script: Script, arguments: list[str]
) -> None:
    """By Ctrl-Z, or with its container: whatever it waits for was stopped as well."""
    what, *when = arguments
    assert script(f"bad_days/a_process_that_was_stopped_waits_for_its_{what}", *when) == "end\n"


@pytest.mark.parametrize("tool", ["", "freezegun", "time_machine"])
def test_no_wait_goes_by_a_clock_that_a_test_has_stopped(script: Script, tool: str) -> None:
    if tool:
        pytest.importorskip(tool)
    assert script("bad_days/a_clock_that_stands_still_ends_each_wait", tool) == "end\n"


def test_children_that_start_while_the_helper_is_stopped_lose_nothing(script: Script) -> None:
    name = "bad_days/children_that_start_while_the_helper_is_stopped_lose_nothing"
    assert script(name) == "end\n"


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


@pytest.mark.skipif(platform.system() != "Linux", reason="preloads what waits")
def test_a_helper_that_waits_for_a_file_system_holds_up_no_end_of_a_capture(
    script: Script, native: Native, tmp_path: Path
) -> None:
    frozen = tmp_path / "frozen"
    env = {"LD_PRELOAD": native.c("frozen"), "FROZEN": str(frozen)}
    name = "bad_days/a_frozen_file_system_loses_nothing"
    assert script(name, "1000", str(frozen), env=env) == "end\n"


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system that can be frozen."""
    if not shutil.which("fsfreeze"):
        pytest.skip("needs fsfreeze")
    image, place = tmp_path / "image", tmp_path / "mounted"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(32 << 20)
    try:
        _run("mkfs.ext4", "-q", image)
        _run("mount", "-o", "loop", image, place)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    try:
        yield place
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):  # it is not frozen any more
            _run("fsfreeze", "-u", place)
        _run("umount", "-l", place)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, env=tool_environment())


@pytest.mark.parametrize("size", [1000, 3 << 20])
def test_a_frozen_file_system_loses_nothing(script: Script, mounted: Path, size: int) -> None:
    env = {"TMPDIR": str(mounted)}
    name = "bad_days/a_frozen_file_system_loses_nothing"
    assert script(name, str(size), str(mounted), env=env) == "end\n"
