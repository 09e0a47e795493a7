"""The helper is killed: nothing is lost, nothing hangs, the writer notices nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from helpers.fixtures import Rounds, Script
from helpers.holes import IS_LOST, assert_kept
from helpers.kernel import Kernel
from helpers.native import Native
from helpers.process import await_end, end_process, is_gone, pumps, the_pump
from helpers.wait import eventually


@pytest.mark.parametrize(("kind", "kills"), [("lines", 15), ("blocks", 8), ("terminals", 5)])
def test_kills_amid_a_flood_lose_nothing(
    script: Script, native: Native, rounds: Rounds, kind: str, kills: int
) -> None:
    shown = script(
        "helper_death/kills_amid_a_flood_lose_nothing",
        kind,
        native.c(),
        str(rounds(kills, full=200)),
        timeout=rounds(170, full=600),
    )
    assert shown == "[]\n"


def test_a_death_after_the_capture_takes_nothing_from_its_log(
    script: Script, native: Native
) -> None:
    shown = script("helper_death/a_death_after_the_capture_takes_nothing_from_its_log", native.c())
    assert shown == "'all of it\\n' 0 True\n'again'\n"


def test_captures_that_nobody_looks_at_do_not_stop_the_helper(
    script: Script, native: Native
) -> None:
    # Each leaves an answer unread, until the next one begins.
    shown = script("helper_death/captures_that_nobody_looks_at_do_not_stop_the_helper", native.c())
    assert shown == "100000 True\n"


def test_the_death_is_told_once_and_the_next_capture_has_a_new_helper(
    script: Script, native: Native
) -> None:
    shown = script(
        "helper_death/the_death_is_told_once_and_the_next_capture_has_a_new_helper", native.c()
    )
    assert shown == "1 1 True\n"


def test_the_death_ends_no_program_whose_sigpipe_is_the_default(script: Script) -> None:
    shown = script("helper_death/the_death_with_the_default_sigpipe")
    assert shown == "['before', 'after'] first\n second\n\n"


def test_the_death_after_the_files_were_removed_keeps_no_writer_waiting(script: Script) -> None:
    shown = script("helper_death/the_death_after_the_files_were_removed")
    assert shown == "<Captured: somebody has removed its files>\n"


def test_a_helper_killed_between_captures_is_replaced_without_a_word(
    script: Script, native: Native
) -> None:
    shown = script(
        "helper_death/a_helper_killed_between_captures_is_replaced_without_a_word", native.c()
    )
    assert shown == "end\n"


def test_the_death_under_nested_captures_loses_nothing(script: Script, native: Native) -> None:
    shown = script("helper_death/the_death_under_nested_captures_loses_nothing", native.c())
    assert shown == "end\n"


def test_a_child_is_not_killed_by_the_death_of_the_helper(script: Script, native: Native) -> None:
    shown = script("helper_death/a_child_is_not_killed_by_the_death_of_the_helper", native.c())
    assert shown == "end\n"


def test_a_helper_that_dies_after_the_cell_still_serves_a_child_that_lives_on(
    script: Script, native: Native
) -> None:
    shown = script(
        "helper_death/a_helper_that_dies_after_the_cell_still_serves_a_child_that_lives_on",
        native.c(),
    )
    assert shown == "end\n"


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
def test_the_death_while_no_descriptors_can_be_had_loses_nothing(
    script: Script, native: Native
) -> None:
    """Whoever takes over needs descriptors: it is done as soon as there are some."""
    shown = script(
        "helper_death/the_death_while_no_descriptors_can_be_had_loses_nothing", native.c()
    )
    assert shown == "end\n"


def test_a_stopped_helper_does_not_lose_anything_once_it_goes_on(
    script: Script, native: Native
) -> None:
    shown = script(
        "helper_death/a_stopped_helper_does_not_lose_anything_once_it_goes_on", native.c()
    )
    assert shown == "end\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE])
def test_the_helper_ignores_signals_that_are_meant_for_others(kernel: Kernel, number: int) -> None:
    kernel.ok("%%capture_fd -v logs\nprint('x')")
    helper = the_pump(kernel.pid)
    os.kill(helper.pid, number)
    kernel.ok("%%capture_fd -v logs\nprint('y')")
    assert kernel.value("logs.text") == "y\n"
    assert the_pump(kernel.pid).pid == helper.pid


def test_a_kernel_goes_on_through_the_death_of_its_helper(
    fresh_kernel: Kernel, native: Native
) -> None:
    fresh_kernel.ok(f"import ctypes\nlib = ctypes.CDLL({native.c()!r})")
    fresh_kernel.ok("%%capture_fd -v logs\nprint('x')")
    helper = the_pump(fresh_kernel.pid)
    asked = fresh_kernel.send(
        "%%capture_fd -v logs\nopen('running', 'w').close()\nlib.write_lines(1, b'line', 3_000_000)"
    )
    fresh_kernel.await_file("running")
    helper.kill()
    assert fresh_kernel.finish(asked).status == "ok"
    if IS_LOST:
        fresh_kernel.ok("_ = open('log', 'wb').write(logs.raw)")
        expected = b"".join(b"line %d\n" % i for i in range(3_000_000))
        assert_kept((fresh_kernel.directory / "log").read_bytes(), expected)
    else:
        assert fresh_kernel.value("(logs.stdout.count('\\n'), logs.stderr)") == (3_000_000, "")
    assert fresh_kernel.value("logs[-1]") == "line 2999999"
    fresh_kernel.ok("%%capture_fd -v logs\nprint('next')")
    assert fresh_kernel.value("logs.text") == "next\n"
    await_end(helper.pid)
    eventually(lambda: len(pumps(fresh_kernel.pid)) == 1, "one new helper")


def test_no_helper_is_left_without_its_process(script: Script) -> None:
    pid = int(script("helper_death/no_helper_is_left_without_its_process"))
    eventually(lambda: not pumps(pid), f"no helper of {pid}")
    assert pumps(pid) == []


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
def test_a_helper_that_starts_after_the_death_of_its_process_ends_too(script: Script) -> None:
    """Though a child that native code forked holds the other end of its socket."""
    shown = script("helper_death/a_helper_that_starts_after_the_death_of_its_process")
    child, owner = map(int, shown.split())
    try:
        eventually(lambda: not pumps(owner), f"no helper of {owner}")
        assert not is_gone(child)
    finally:
        end_process(child)


def test_a_stopped_helper_keeps_the_last_words_once_it_goes_on(script: Script) -> None:
    shown = script("helper_death/a_stopped_helper_keeps_the_last_words_once_it_goes_on")
    assert shown == "last words\n"


@pytest.mark.parametrize("merge", [True, False])
def test_a_helper_goes_with_its_process_though_captures_were_nested(
    script: Script, tmp_path: Path, merge: bool
) -> None:
    """It must not keep itself alive by a pipe that it both reads and writes."""
    script("helper_death/a_helper_goes_with_its_process_though_captures_were_nested", str(merge))
    helper = int((tmp_path / "python" / "helper").read_text())
    await_end(helper)
    assert is_gone(helper)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
@pytest.mark.parametrize(
    "why",
    [
        "the_helper_has_no_descriptors",
        "this_process_has_none_when_a_thread_goes_on",
        "the_helper_lets_go_too_late",
        "the_limit_comes_amid_a_take_over",
    ],
)
def test_a_pump_that_lacks_a_pipe_is_given_it_again(script: Script, why: str) -> None:
    assert script("bad_days/a_pump_that_lacks_a_pipe_is_given_it_again", why) == "end\n"
