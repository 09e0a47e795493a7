"""Behind each row of the page "What happens when …" stands a test."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: By row: the file and the name of its test.
TESTS = {
    "the helper process is killed": (
        "2_loses_nothing/test_helper_death.py",
        "test_the_death_is_told_once_and_the_next_capture_has_a_new_helper",
    ),
    "the helper process is stopped, or waits for a file system": (
        "1_never_hangs/test_slow_helper.py",
        "test_a_stopped_helper_holds_up_no_capture",
    ),
    "the same, and an `FdCapture` with a callback is stopped meanwhile": (
        "1_never_hangs/test_slow_helper.py",
        "test_each_log_that_a_stopped_helper_lacks_is_told_of",
    ),
    "everything is stopped for a while: Ctrl-Z, a paused container, a suspended machine": (
        "1_never_hangs/test_slow_helper.py",
        "test_a_process_that_was_stopped_waits_as_if_no_time_had_passed",
    ),
    'a test stops or sets the clock (freezegun, time-machine, `mock.patch("time.monotonic")`)': (
        "1_never_hangs/test_slow_helper.py",
        "test_no_wait_goes_by_a_clock_that_a_test_has_stopped",
    ),
    "a test replaces `os.write`, or the file system (pyfakefs), in a captured cell": (
        "4_cell_unchanged/test_hostile_streams.py",
        "test_what_is_printed_amid_a_faked_file_system_is_captured",
    ),
    "you interrupt while the end of a cell waits for it": (
        "1_never_hangs/test_slow_helper.py",
        "test_an_interrupt_ends_the_wait_for_a_stopped_helper",
    ),
    "the helper is stopped while the cell writes more than a pipe holds": (
        "1_never_hangs/test_slow_helper.py",
        "test_a_writer_does_not_wait_for_a_stopped_helper",
    ),
    "the file system of the recordings hangs for the kernel as well": (
        "1_never_hangs/test_slow_helper.py",
        "test_a_frozen_file_system_loses_nothing",
    ),
    "nobody reads the terminal, or the pipe, to which the process wrote before": (
        "1_never_hangs/test_slow_helper.py",
        "test_what_nobody_reads_holds_up_no_other_capture",
    ),
    "`sys.executable` is not Python, but this program itself": (
        "1_never_hangs/test_odd_programs.py",
        "test_a_program_in_place_of_python_is_not_started_for_ever",
    ),
    "the program is frozen (PyInstaller, cx_Freeze, Nuitka)": (
        "1_never_hangs/test_odd_programs.py",
        "test_a_program_in_place_of_python_is_not_started_for_ever",
    ),
    "somebody empties the temporary directory amid a cell": (
        "2_loses_nothing/test_helper_death.py",
        "test_the_death_after_the_files_were_removed_keeps_no_writer_waiting",
    ),
    "SIGPIPE ends the program (`signal.SIG_DFL`), and the helper is killed": (
        "2_loses_nothing/test_helper_death.py",
        "test_the_death_ends_no_program_whose_sigpipe_is_the_default",
    ),
    "the package is imported from an archive (`zipimport`, PySpark's `--py-files`)": (
        "1_never_hangs/test_odd_programs.py",
        "test_the_package_works_from_an_archive",
    ),
    "the helper is stopped, and the kernel crashes": (
        "2_loses_nothing/test_helper_death.py",
        "test_a_stopped_helper_keeps_the_last_words_once_it_goes_on",
    ),
    "no process can be started": (
        "2_loses_nothing/test_limits.py",
        "test_where_no_process_can_start_a_thread_drains_and_that_is_told_once",
    ),
    "another version is installed while the kernel runs": (
        "1_never_hangs/test_odd_programs.py",
        "test_a_helper_of_another_version_is_not_used",
    ),
    "no descriptors are left, here or in the helper": (
        "2_loses_nothing/test_helper_death.py",
        "test_a_pump_that_lacks_a_pipe_is_given_it_again",
    ),
    "the program closes all descriptors amid a capture, as daemons do": (
        "4_cell_unchanged/test_fork.py",
        "test_a_capture_whose_descriptors_were_closed_keeps_what_came_before",
    ),
    "a daemon thread captures as the program ends": (
        "3_restores/test_exit.py",
        "test_a_daemon_thread_that_captures_does_not_hold_up_the_end",
    ),
    "gevent has patched the program": (
        "1_never_hangs/test_odd_programs.py",
        "test_captures_work_beside_coroutines_or_say_why_not",
    ),
    "eventlet has patched the program": (
        "1_never_hangs/test_odd_programs.py",
        "test_captures_work_beside_coroutines_or_say_why_not",
    ),
    "a sandbox refuses a system call (`splice`, `flock`, `link`, …)": (
        "2_loses_nothing/test_refused_calls.py",
        "test_a_refused_call_loses_nothing",
    ),
    "warnings are errors, or cannot be shown": (
        "3_restores/test_warnings.py",
        "test_warnings_that_raise_cost_nothing",
    ),
    "the disk is full": (
        "2_loses_nothing/test_limits.py",
        "test_a_full_disk_neither_stops_the_cell_nor_spoils_what_was_kept",
    ),
    "the kernel crashes": (
        "2_loses_nothing/test_kernel_death.py",
        "test_the_next_kernel_has_the_last_words",
    ),
    "the kernel crashes, and a process that native code forked lives on": (
        "2_loses_nothing/test_left_files.py",
        "test_a_process_that_native_code_forked_hides_no_crash",
    ),
    "kernel and helper are both killed": (
        "2_loses_nothing/test_kernel_death.py",
        "test_the_helper_and_the_kernel_killed_together_still_leave_the_recording",
    ),
    "kernel and helper are both killed, and a process that native code forked lives on": (
        "2_loses_nothing/test_left_files.py",
        "test_a_process_that_native_code_forked_hides_no_crash",
    ),
    "the files of a crashed kernel are damaged": (
        "2_loses_nothing/test_left_files.py",
        "test_damaged_recordings_are_read_with_care",
    ),
    "a crashed kernel never comes back (papermill, nbclient)": (
        "2_loses_nothing/test_left_files.py",
        "test_recordings_of_kernels_that_never_come_back_go_by_age",
    ),
    "much lies there when the extension is loaded, or its file system is slow": (
        "2_loses_nothing/test_left_files.py",
        "test_what_lies_there_does_not_hold_up_the_load",
    ),
    "the working directory is gone, or the runtime directory cannot be used": (
        "2_loses_nothing/test_left_files.py",
        "test_the_extension_loads_and_captures_in_awkward_places",
    ),
    "`JUPYTER_RUNTIME_DIR` is a relative path": (
        "2_loses_nothing/test_left_files.py",
        "test_a_relative_runtime_directory_is_where_the_notebook_is",
    ),
    "there is no directory for temporary files": (
        "2_loses_nothing/test_left_files.py",
        "test_without_a_directory_for_recordings_a_capture_says_so_in_one_line",
    ),
    "the program gives up root's rights": (
        "1_never_hangs/test_odd_programs.py",
        "test_a_program_that_gave_up_its_rights_captures_again",
    ),
    "a daemon leads its descriptors 0, 1 and 2 elsewhere": (
        "1_never_hangs/test_slow_helper.py",
        "test_a_daemon_does_not_keep_a_log_open",
    ),
    "the log is longer than the address space (`ulimit -v`)": (
        "7_memory/test_little_room.py",
        "test_a_log_longer_than_the_address_space_can_be_read",
    ),
}


def rows() -> list[str]:
    """Return what happens, from the first column of the table."""
    page = (ROOT / "docs" / "bad-days.md").read_text(encoding="utf-8")
    cells = [line.split(" | ")[0].removeprefix("| ") for line in page.splitlines() if "|" in line]
    return cells[2:]


def test_each_row_has_a_test() -> None:
    assert sorted(rows()) == sorted(TESTS)


def test_the_tests_behind_the_rows_exist() -> None:
    for file, name in TESTS.values():
        text = (ROOT / "tests" / "promises" / file).read_text(encoding="utf-8")
        assert f"def {name}(" in text, (file, name)
