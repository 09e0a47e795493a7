"""Forks and other processes inside a capture do not disturb it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers.fixtures import Script
from helpers.kernel import Kernel
from helpers.native import Native
from helpers.process import the_pump

DRAINS = pytest.mark.parametrize("drain", ["process", "thread"])


# -- os.fork ------------------------------------------------------------------------------------


@DRAINS
@pytest.mark.parametrize(
    "ending",
    ["os._exit(0)", "sys.exit(0)", "raise SystemExit", "os.execvp('true', ['true'])", "1/0"],
)
def test_the_end_of_a_forked_child_does_not_disturb_the_parent(
    script: Script, drain: str, ending: str
) -> None:
    shown = script("fork/the_end_of_a_forked_child_does_not_disturb_the_parent", drain, ending)
    assert shown == "end\n"


@DRAINS
def test_a_child_that_leaves_the_with_block_does_not_end_the_parents_capture(
    script: Script, drain: str
) -> None:
    shown = script(
        "fork/a_child_that_leaves_the_with_block_does_not_end_the_parents_capture", drain
    )
    assert sorted(shown.splitlines()) == ["outside, in the child", "outside, in the parent"]


@DRAINS
def test_a_child_that_closed_all_descriptors_keeps_the_files_that_it_then_opened(
    script: Script, drain: str
) -> None:
    # As those do that become daemons.
    assert not script(
        "fork/a_child_that_closed_all_descriptors_keeps_the_files_that_it_then_opened", drain
    )


@DRAINS
def test_a_process_that_closed_all_descriptors_captures_again_and_keeps_its_files(
    script: Script, drain: str
) -> None:
    shown = script(
        "fork/a_process_that_closed_all_descriptors_captures_again_and_keeps_its_files", drain
    )
    assert shown == "end\n"


def test_the_helper_of_a_process_that_closed_all_descriptors_ends(script: Script) -> None:
    script("fork/the_helper_of_a_process_that_closed_all_descriptors_ends")


@DRAINS
def test_a_capture_whose_descriptors_were_closed_keeps_what_came_before(
    script: Script, drain: str
) -> None:
    script("fork/a_capture_whose_descriptors_were_closed_keeps_what_came_before", drain)


def test_a_thread_that_has_answered_touches_no_descriptor_that_is_closed(script: Script) -> None:
    script("fork/a_thread_that_has_answered_touches_no_descriptor_that_is_closed")


@DRAINS
@pytest.mark.parametrize("live", ["live='terminal'", "file='copy.txt'", "on_line=print_out"])
def test_live_targets_whose_descriptors_were_closed_leave_others_alone(
    script: Script, drain: str, live: str
) -> None:
    script("fork/live_targets_whose_descriptors_were_closed_leave_others_alone", drain, live)


def test_spools_of_a_process_that_closed_all_descriptors_go_with_it(
    script: Script, tmp_path: Path
) -> None:
    script(
        "fork/spools_of_a_process_that_closed_all_descriptors_go_with_it", str(tmp_path / "spools")
    )
    assert os.listdir(tmp_path / "spools") == []


def test_the_spool_of_a_process_that_becomes_another_program_goes(
    script: Script, tmp_path: Path
) -> None:
    script(
        "fork/the_spool_of_a_process_that_becomes_another_program_goes", str(tmp_path / "spools")
    )


@DRAINS
def test_a_forked_child_may_capture_for_itself(script: Script, drain: str) -> None:
    shown = script("fork/a_forked_child_may_capture_for_itself", drain)
    assert shown == ""


def test_a_child_forked_after_a_capture_may_capture(script: Script) -> None:
    shown = script("fork/a_child_forked_after_a_capture_may_capture")
    assert shown == ""


@DRAINS
def test_a_buffer_is_not_written_twice_after_a_fork(script: Script, drain: str) -> None:
    shown = script("fork/a_buffer_is_not_written_twice_after_a_fork", drain)
    assert shown == ""


@DRAINS
def test_a_child_of_a_child_is_captured(script: Script, drain: str) -> None:
    shown = script("fork/a_child_of_a_child_is_captured", drain)
    assert shown == ""


# -- no trace in children -----------------------------------------------------------------------


@DRAINS
@pytest.mark.parametrize("close_fds", [True, False])
def test_a_child_inherits_the_streams_and_nothing_else_of_ours(
    script: Script, drain: str, close_fds: bool
) -> None:
    shown = script(
        "fork/a_child_inherits_the_streams_and_nothing_else_of_ours", drain, str(close_fds)
    )
    assert shown == ""


def test_waiting_for_any_child_meets_only_the_users_own(fresh_kernel: Kernel) -> None:
    fresh_kernel.ok("import os")
    fresh_kernel.ok("%%capture_fd -v logs\nprint('the helper runs')")
    reply = fresh_kernel.run("%%capture_fd -v logs\nos.wait()")
    assert reply.status == "error" and reply.error[0] == "ChildProcessError"
    fresh_kernel.ok(
        "%%capture_fd -v logs\nchild = os.spawnlp(os.P_NOWAIT, 'true', 'true')\nmet = os.wait()[0]"
    )
    assert fresh_kernel.value("child == met")


def test_the_helper_is_in_its_own_session_and_holds_no_terminal(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd -v logs\nprint('x')")
    helper = the_pump(kernel.pid)
    assert os.getsid(helper.pid) != os.getsid(kernel.pid)
    assert os.getpgid(helper.pid) != os.getpgid(kernel.pid)
    assert helper.terminal() is None
    if not os.path.isdir("/proc"):
        return  # no other system tells where the descriptors of another process lead
    targets = {os.readlink(f"/proc/{helper.pid}/fd/{fd}") for fd in (0, 1, 2)}
    assert targets == {"/dev/null"}


def test_the_helper_takes_nothing_from_the_environment(script: Script, tmp_path: Path) -> None:
    """No sitecustomize, no PYTHONPATH, no module of the user's that has a standard name."""
    traps = tmp_path / "python" / "traps"
    traps.mkdir(parents=True)
    for name in ("json", "socket", "select", "struct", "sitecustomize", "usercustomize"):
        (traps / f"{name}.py").write_text(f"open('{traps}/imported-{name}', 'w').close()\n1/0\n")
    shown = script("fork/the_helper_takes_nothing_from_the_environment", str(traps))
    assert shown == "captured\n"
    assert list(traps.glob("imported-*")) == []


# -- forks of kernels and of threads ------------------------------------------------------------


def test_a_fork_of_a_kernel_in_a_captured_cell_is_captured(kernel: Kernel) -> None:
    kernel.ok(
        """%%capture_fd -v logs
import os, sys
print('parent')
sys.stdout.flush()
child = os.fork()
if not child:
    print('child', flush=True)
    os.write(1, b'native child\\n')
    os._exit(0)
os.waitpid(child, 0)
print('parent again')
"""
    )
    assert kernel.value("logs.stdout") == "parent\nchild\nnative child\nparent again\n"
    assert kernel.ok("print('shown')").stream("stdout") == "shown\n"


def test_forks_in_threads_during_captures_do_not_deadlock(script: Script) -> None:
    shown = script("fork/forks_in_threads_during_captures_do_not_deadlock")
    assert shown == "90 True True\n"


def test_a_fork_after_a_capture_meets_no_other_thread(script: Script) -> None:
    # Python warns of a fork in a process with several threads.
    shown = script("fork/a_fork_after_a_capture_meets_no_other_thread")
    assert shown == "[1, 1]\n"


def test_after_a_fork_the_death_of_the_helper_is_noticed(script: Script, native: Native) -> None:
    shown = script("fork/after_a_fork_the_death_of_the_helper_is_noticed", native.c())
    assert shown == "300000\n"


def test_forks_go_on_after_an_idle_helper_was_killed(script: Script) -> None:
    shown = script("fork/forks_go_on_after_an_idle_helper_was_killed")
    assert shown == "before\nafter\n"
