"""Which tests run without what Linux alone has: for each change, and which never."""

from __future__ import annotations

import os
import sys

#: Some of each promise that ask something of the system, with both drains: `logs.wait`, `complete`,
#: killed helpers, dying kernels, late children and terminals among them. By file; none: all of its
#: tests.
CHOSEN = {
    "unit/test_polling.py": [],
    "unit/test_owner.py": [],
    "promises/1_never_hangs/test_held_gil.py": [
        "test_a_flood_with_the_gil_held_ends_and_is_whole",
    ],
    "promises/1_never_hangs/test_survivors.py": [
        "test_late_output_is_recorded_in_the_capture_that_started_the_child",
        "test_waiting_has_a_limit",
        "test_a_daemon_that_closes_its_streams_makes_the_log_complete",
        "test_a_server_outlives_its_kernel_and_is_never_killed_by_a_broken_pipe[killed]",
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
        "test_the_next_kernel_has_the_last_words[SIGKILL]",
        "test_what_a_child_writes_after_the_crash_is_not_lost",
        "test_a_crash_in_the_thread_drain_tells_no_lies",
    ],
    "promises/2_loses_nothing/test_native.py": [
        "test_in_a_plain_process_too[C++ iostreams, untied-process]",
        "test_in_a_plain_process_too[C++ iostreams, untied-thread]",
    ],
    "promises/2_loses_nothing/test_limits.py": [
        "test_a_limited_log_can_be_read_where_its_halves_have_no_room_beside_them",
        "test_recordings_are_private_whatever_the_umask",
    ],
    "promises/2_loses_nothing/test_terminal_drain.py": [
        "test_a_flood_of_both_streams_is_whole[process]",
        "test_a_child_that_outlives_its_capture_goes_on[process]",
    ],
    "front_ends/test_terminal.py": [
        "test_a_terminal_of_a_capture_is_as_large_as_that_of_the_user",
    ],
    "promises/3_restores/test_restore.py": [
        "test_a_capture_may_be_stopped_by_another_thread",
        "test_a_drain_started_without_descriptors_leaves_their_numbers_free",
    ],
    "promises/3_restores/test_terminal_restore.py": [
        "test_with_terminals[everything_is_as_it_was-process]",
        "test_with_terminals[everything_is_as_it_was-thread]",
    ],
    "promises/4_cell_unchanged/test_cells.py": [
        "test_a_captured_cell_fails_as_it_fails_uncaptured",
    ],
    "promises/4_cell_unchanged/test_fork.py": [
        "test_a_process_that_closed_all_descriptors_captures_again_and_keeps_its_files",
        "test_a_capture_whose_descriptors_were_closed_keeps_what_came_before",
    ],
    "promises/5_right_cell/test_many_threads.py": [],
    "promises/5_right_cell/test_kept_processes.py": [
        "test_what_a_kept_process_writes_is_in_both_logs",
        "test_a_new_helper_goes_on_with_what_a_thread_took_over",
    ],
    "promises/6_no_flood/test_live.py": [
        "test_output_is_shown_while_the_cell_still_runs",
        "test_a_flood_costs_the_browser_a_megabyte",
        "TestInPython::test_what_comes_after_a_pause_is_shown_at_once_and_the_rest_at_the_next_look",
    ],
    "promises/7_memory/test_memory.py": [
        "test_memory_does_not_grow_with_what_is_captured",
        "test_the_helpers_memory_stays_flat",
    ],
    "promises/8_order/test_order.py": [
        "test_a_character_across_any_two_writes_is_whole",
        "test_a_child_that_opens_dev_stdout_is_captured",
        "test_random_bytes_come_back_byte_for_byte",
    ],
    "promises/9_safe/test_view.py": [
        "TestSafety::test_markup_is_shown_as_what_it_is",
    ],
}

#: By file: the tests, and why they cannot hold without ``splice``.
NEED_SPLICE = {
    "promises/3_restores/test_restore.py": {
        "test_a_signal_handler_may_read_the_log_that_is_being_read": "the end of a capture waits "
        "for the answer of the drain, so that a look at its log awaits none",
        "test_an_interrupt_as_an_answer_of_the_drain_is_taken_leaves_the_log_readable": "the same",
    },
}
#: Those that hold on macOS, and cannot where it is simulated (``tests/without_linux/run.py``).
NEED_A_MAC = {
    "promises/1_never_hangs/test_odd_programs.py": {
        "test_the_package_works_from_an_archive": "what hides Linux from the helper is a file of "
        "its own, outside the archive",
    },
    "promises/1_never_hangs/test_slow_helper.py": {
        "test_a_forked_child_that_ends_the_capture_restores": "two processes print at once, and "
        "where C's stdout does not tell what waits in it, each print is two writes. On macOS it "
        "does, in a layout that cannot be had on Linux",
    },
    "unit/test_export.py": {
        "test_polars_and_duckdb_read_the_lines_of_a_log": "duckdb's Linux build reads /proc",
    },
    "unit/test_helper_modules.py": {
        "test_a_helper_that_serves_has_loaded_no_more_than_it_needs": "what hides Linux from the "
        "helper is loaded in it",
    },
}
#: Those that ask libstdc++ itself: macOS has libc++, whose streams have no buffer of their own.
NEED_LIBSTDCPP = {
    "promises/2_loses_nothing/test_native.py": {
        "test_iostreams_are_as_they_were_after_a_live_capture": "needs libstdc++",
    },
}
#: Set by ``tests/without_linux/run.py``.
SIMULATED = "IPYFDCAPTURE_TESTS_WITHOUT_LINUX"


def why_left_out(file: str, test: str) -> str | None:
    """Return why a test is not run here; None if it is. ``file``: its path below ``tests``."""
    lists = [] if hasattr(os, "splice") else [NEED_SPLICE]
    lists += [NEED_A_MAC] if SIMULATED in os.environ else []
    lists += [NEED_LIBSTDCPP] if sys.platform == "darwin" else []
    return next((each[file][test] for each in lists if test in each.get(file, ())), None)
