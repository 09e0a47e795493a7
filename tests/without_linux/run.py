"""The tests without what Linux alone has, as on macOS; on Linux, with gcc.

    python tests/without_linux/run.py [--chosen] [options and files for pytest]

Without any, the tests of the promises run, but for those that are named below. ``--chosen``: a
part of them, for each change.

What this cannot show is what only a Mac does: its own scheduling, its terminals, its libc++.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[0] = str(HERE.parent)  # here itself lies a sitecustomize, and nothing that is imported

from helpers.native import Native  # noqa: E402

#: What these test cannot be had here. By file: the tests, and why.
LEFT_OUT = {
    "promises/1_never_hangs/test_slow_helper.py": {
        "test_a_forked_child_that_ends_the_capture_restores": "two processes print at once, and "
        "where C's stdout does not tell what waits in it, each print is two writes. On macOS it "
        "does, in a layout that cannot be had here",
    },
    "promises/2_loses_nothing/test_helper_death.py": {
        "test_kills_at_random_moments_of_a_flood_lose_nothing": "without splice, what a helper "
        "has read and not yet written dies with it",
        "test_kills_while_large_blocks_are_on_their_way_lose_nothing": "the same",
        "test_kills_amid_a_flood_lose_nothing": "the same",
        "test_a_kernel_goes_on_through_the_death_of_its_helper": "the same",
    },
}

#: Some of the promises that ask something of the system, with both drains: `logs.wait`, `complete`,
#: killed helpers, dying kernels, late children and terminals among them.
CHOSEN = {
    "unit/test_polling.py": [],
    "promises/1_never_hangs/test_held_gil.py": [
        "test_a_flood_with_the_gil_held_ends_and_is_whole",
    ],
    "promises/1_never_hangs/test_survivors.py": [
        "test_the_end_of_a_cell_does_not_wait_for_a_child_that_lives_on",
        "test_late_output_is_recorded_in_the_capture_that_started_the_child",
        "test_waiting_has_a_limit",
        "test_a_daemon_that_closes_its_streams_makes_the_log_complete",
        "test_a_server_outlives_its_kernel_and_is_never_killed_by_a_broken_pipe",
    ],
    "promises/1_never_hangs/test_environments.py": [
        "test_a_capture_keeps_its_promises[no_new_privs-auto]",
        "test_a_capture_keeps_its_promises[no_new_privs-thread]",
    ],
    "promises/2_loses_nothing/test_helper_death.py": [
        "test_the_death_is_told_once_and_the_next_capture_has_a_new_helper",
        "test_a_helper_that_dies_after_the_cell_still_serves_a_child_that_lives_on",
    ],
    "promises/2_loses_nothing/test_kernel_death.py": [
        "test_the_next_kernel_has_the_last_words",
        "test_what_a_child_writes_after_the_crash_is_not_lost",
    ],
    "promises/3_restores/test_restore.py": [
        "test_a_capture_may_be_stopped_by_another_thread",
        "test_a_drain_started_without_descriptors_leaves_their_numbers_free",
        "test_a_released_capture_leaves_nothing_on_disk",
    ],
    "promises/4_cell_unchanged/test_cells.py": [
        "test_a_captured_cell_fails_as_it_fails_uncaptured",
        "test_the_stream_objects_of_ipykernel_are_back_after_each_cell",
    ],
    "promises/5_right_cell/test_many_threads.py": [],
    "promises/6_no_flood/test_live.py": [
        "test_output_is_shown_while_the_cell_still_runs",
        "test_a_flood_costs_the_browser_a_megabyte",
    ],
    "promises/8_order/test_order.py": [
        "test_a_character_across_any_two_writes_is_whole",
        "test_a_child_that_opens_dev_stdout_is_captured",
    ],
    "promises/2_loses_nothing/test_limits.py": [
        "test_recordings_are_private_whatever_the_umask",
    ],
    "promises/2_loses_nothing/test_terminal_drain.py": [
        "test_a_flood_of_both_streams_is_whole[process]",
        "test_a_child_that_outlives_its_capture_goes_on",
    ],
    "promises/3_restores/test_terminal_restore.py": [
        "test_with_terminals[everything_is_as_it_was-process]",
    ],
    "front_ends/test_terminal.py": [
        "test_a_terminal_of_a_capture_is_as_large_as_that_of_the_user",
    ],
}


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--chosen"]:
        arguments = [
            "::".join([f"tests/{file}", test] if test else [f"tests/{file}"])
            for file, tests in CHOSEN.items()
            for test in tests or [""]
        ] + arguments[1:]
    elif not arguments:
        arguments = ["tests/promises", "tests/unit"]
    left_out = [
        f"--deselect=tests/{file}::{test}" for file, tests in LEFT_OUT.items() for test in tests
    ]
    with tempfile.TemporaryDirectory(prefix="ipyfdcapture-without-linux-") as directory:
        os.chmod(directory, 0o755)  # some tests are another user
        path = [str(HERE), str(ROOT), os.environ.get("PYTHONPATH", "")]
        env = {
            **os.environ,
            "LD_PRELOAD": Native(Path(directory)).c("without_linux"),
            "PYTHONPATH": os.pathsep.join(part for part in path if part),
        }
        command = [sys.executable, "-m", "pytest", "-q", *left_out, *arguments]
        return subprocess.run(command, env=env, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
