"""Terminal IPython, behind a pseudo-terminal."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from helpers.fixtures import StartTerminal
from helpers.process import LOAD, TELLS_WHO_WAITS, TESTS_DIR, await_end, pumps, the_pump
from helpers.terminal import Terminal
from helpers.wait import eventually


def test_a_captured_cell_shows_nothing_and_keeps_all(terminal: Terminal) -> None:
    shown = terminal.run(
        "%%capture_fd -v logs\nprint('python')\nimport os\n_ = os.write(1, b'native\\n')\n"
        "_ = os.system('echo child')\n_ = os.write(2, b'err\\n')"
    )
    assert shown.strip() == ""
    assert terminal.value("logs.stdout") == repr("python\nnative\nchild\n")
    assert terminal.value("logs.stderr") == repr("err\n")
    assert "shown again" in terminal.run("print('shown again')")


def test_typing_a_captured_cell_ends_as_any_other_cell_magic(terminal: Terminal) -> None:
    """Line by line: the transformer must not take the first line for a whole cell."""
    assert (
        terminal.run("%%capture_fd logs\nfor i in range(2):\n    print(i)\nprint('end')").strip()
        == ""
    )
    assert terminal.value("logs.stdout") == repr("0\n1\nend\n")


def test_the_value_of_the_last_expression_is_shown_in_the_terminal(terminal: Terminal) -> None:
    shown = terminal.run("%%capture_fd logs\nprint('kept')\n6 * 7")
    assert re.search(r"Out\[\d+\]: 42", shown), shown
    assert "kept" not in shown
    assert terminal.value("logs.text") == repr("kept\n")
    assert terminal.value("_") != "None"


def test_a_display_is_shown_in_the_terminal(terminal: Terminal) -> None:
    shown = terminal.run("%%capture_fd logs\nprint('kept')\ndisplay({'a': 1})")
    assert "{'a': 1}" in shown
    assert terminal.value("logs.text") == repr("kept\n")


def test_a_traceback_is_shown_once_in_the_terminal_with_the_right_line(terminal: Terminal) -> None:
    shown = terminal.run("%%capture_fd logs\nprint('before')\nx = 1\n1/0")
    assert shown.count("ZeroDivisionError: division by zero") == 1
    assert re.search(r"-+> 4 1/0", shown), shown
    assert terminal.value("logs.text") == repr("before\n")
    assert "shown" in terminal.run("print('shown')")


def test_a_syntax_error_is_shown_in_the_terminal(terminal: Terminal) -> None:
    shown = terminal.run("%%capture_fd logs\nprint('x'))")
    assert "SyntaxError" in shown
    assert "shown" in terminal.run("print('shown')")


def test_top_level_await_works(terminal: Terminal) -> None:
    shown = terminal.run(
        "%%capture_fd logs\nimport asyncio\nawait asyncio.sleep(0)\nprint('in')\n'out'"
    )
    assert "'out'" in shown
    assert terminal.value("logs.text") == repr("in\n")


def test_an_interrupt_interrupts_and_restores(terminal: Terminal, tmp_path: Path) -> None:
    running = tmp_path / "running"
    terminal.send(
        "%%capture_fd logs\nprint('before', flush=True)\n"
        f"open({str(running)!r}, 'w').close()\nwhile True: pass"
    )
    eventually(running.exists, "the cell")
    terminal.interrupt()
    assert "KeyboardInterrupt" in terminal.finish()
    assert terminal.value("logs.text") == repr("before\n")
    assert "shown" in terminal.run("print('shown')")


@pytest.mark.parametrize("line", ["--nope", "-v 1x", "-v", "class"])
def test_a_bad_line_is_one_line_of_usage_error(terminal: Terminal, line: str) -> None:
    shown = terminal.run(f"%%capture_fd {line}\nran = 1").strip()
    assert shown.startswith("UsageError"), shown
    assert len(shown.splitlines()) == 1 or (len(shown) > 200 and "Traceback" not in shown)
    assert terminal.value("'ran' in globals()") == "False"


def test_the_line_magic_works(terminal: Terminal) -> None:
    assert terminal.run("%capture_fd -v logs print('x')").strip() == ""
    assert terminal.value("logs.text") == repr("x\n")
    assert re.search(r"Out\[\d+\]: 3", terminal.run("%capture_fd 1 + 2"))


def test_time_inside_and_around(terminal: Terminal) -> None:
    assert "Wall time" not in terminal.run("%%capture_fd logs\n%%time\nprint('a')")
    assert "Wall time" in terminal.value("logs.text")
    assert "Wall time" in terminal.run("%%time\n%%capture_fd logs\nprint('b')")
    assert terminal.value("logs.text") == repr("b\n")


def test_a_shell_command_in_a_captured_cell_is_captured(terminal: Terminal) -> None:
    assert terminal.run("%%capture_fd logs\n!echo from the shell").strip() == ""
    assert "from the shell" in terminal.value("logs.stdout")


def test_the_history_holds_the_cell_as_it_was_typed(terminal: Terminal) -> None:
    terminal.run("%%capture_fd logs\nprint('x')")
    held = terminal.value("get_ipython().history_manager.input_hist_raw[-2]")
    assert "%%capture_fd logs" in held and "print(" in held


def test_no_python_leaves_prints_in_the_terminal(terminal: Terminal) -> None:
    shown = terminal.run(
        "%%capture_fd logs --no-python\nprint('seen')\nimport os\n_ = os.write(1, b'taken')"
    )
    assert "seen" in shown and "taken" not in shown
    assert terminal.value("logs.text") == repr("taken")


def test_loading_unloading_and_reloading_leave_nothing_behind(
    start_terminal: StartTerminal,
) -> None:
    terminal = start_terminal()
    terminal.run("%%capture_fd logs\nprint('warm')")
    terminal.run("%unload_ext ipyfdcapture")
    terminal.run("del logs, _logs")
    terminal.run("import helpers.leaks as leaks")
    terminal.run("before = leaks.snapshot()")
    terminal.run("before = leaks.snapshot()")
    for _ in range(3):
        terminal.run(LOAD)
        terminal.run("%%capture_fd logs\nprint('x')")
        terminal.run("%reload_ext ipyfdcapture")
        terminal.run("%%capture_fd logs\n1/0")
        terminal.run("%unload_ext ipyfdcapture")
    terminal.run("del logs, _logs")
    terminal.run("left = leaks.settled_difference(before)")
    assert terminal.value("left") == "[]"


def test_the_question_mark_shows_the_help(terminal: Terminal) -> None:
    shown = terminal.run("%capture_fd?")
    assert "--no-stdout" in shown and "_logs" in shown


def test_nothing_of_the_traceback_or_the_result_is_in_the_log(terminal: Terminal) -> None:
    terminal.run(
        "%%capture_fd logs\nimport sys\nprint('e', file=sys.stderr)\nraise ValueError('x')"
    )
    assert terminal.value("(logs.stdout, logs.stderr)") == repr(("", "e\n"))


def test_leaving_ends_the_helper(fresh_terminal: Terminal) -> None:
    terminal = fresh_terminal
    terminal.run("%%capture_fd logs\nprint('x')")
    helper = the_pump(terminal.pid)
    assert terminal.leave() == 0
    await_end(helper.pid)
    assert pumps(terminal.pid) == []
    left = [name for name in os.listdir(terminal.directory / "tmpdir") if "ipyfdcapture" in name]
    assert left == []


def test_an_exit_in_a_captured_cell_leaves_cleanly(fresh_terminal: Terminal) -> None:
    terminal = fresh_terminal
    terminal.run("%%capture_fd logs\nprint('x')")
    helper = the_pump(terminal.pid)
    shown = terminal.run("%%capture_fd logs\nraise SystemExit(3)")
    assert "SystemExit" in shown
    assert "shown" in terminal.run("print('shown')")
    assert terminal.leave() == 0
    await_end(helper.pid)
    assert pumps(terminal.pid) == []


def test_the_terminal_is_still_a_terminal_afterwards(terminal: Terminal) -> None:
    terminal.run("%%capture_fd logs\nimport sys\ninside = sys.stdout.isatty()")
    assert terminal.value("inside") == "False"
    assert terminal.value("(sys.stdout.isatty(), sys.stdout.fileno())") == "(True, 1)"


SIZES = """\
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])  # it waits until it is asked for
print("begins with", *os.get_terminal_size(1), flush=True)
while (size := os.get_terminal_size(1)).columns != int(sys.argv[1]):
    signal.sigwait([signal.SIGWINCH])
print("ends with", *size)
"""


def test_a_terminal_of_a_capture_is_as_large_as_that_of_the_user(fresh_terminal: Terminal) -> None:
    """Programs are told when it changes: the size is asked for at the signal alone."""
    terminal = fresh_terminal
    (terminal.directory / "sizes.py").write_text(SIZES)
    terminal.run("import os, subprocess, sys")
    terminal.run("size = [os.environ.get(name) for name in ('COLUMNS', 'LINES')]")
    terminal.send(
        "%%capture_fd --tty --live -v logs\n_ = subprocess.run([sys.executable, 'sizes.py', '77'])"
    )
    terminal.expect("begins with 200 50")
    terminal.resize(77, 33)
    terminal.expect("ends with 77 33")
    terminal.finish()
    # Programs would take a size in the environment for fixed.
    terminal.run(
        "%%capture_fd --tty logs\n"
        "same = size == [os.environ.get(name) for name in ('COLUMNS', 'LINES')]"
    )
    assert terminal.value("same") == "True"


def test_a_terminal_of_a_labelled_child_is_as_large_as_that_of_the_user(
    fresh_terminal: Terminal,
) -> None:
    """In a capture, whether that has terminals of its own or not, and without one."""
    terminal = fresh_terminal
    (terminal.directory / "sizes.py").write_text(SIZES)
    terminal.run("import sys; from ipyfdcapture import popen, run_all")
    terminal.run("child = [sys.executable, 'sizes.py']")
    terminal.send("%%capture_fd --live logs\n_ = popen([*child, '77'], label='a', tty=True).wait()")
    terminal.expect(r"\[a\] begins with 200 50")
    terminal.resize(77, 33)
    terminal.expect(r"\[a\] ends with 77 33")
    terminal.finish()
    terminal.send("_ = run_all([[*child, '90']], tty=True, on_line=print)")
    terminal.expect("begins with 77 33")
    terminal.resize(90, 20)
    terminal.expect("ends with 90 20")
    terminal.finish()


@pytest.mark.skipif(not TELLS_WHO_WAITS, reason="only Linux tells who waits")
def test_one_line_says_which_program_waits_for_the_user(terminal: Terminal) -> None:
    terminal.run("import subprocess")
    terminal.send(
        "%%capture_fd --tty -v logs\n"
        "_ = subprocess.run(['sh', '-c', 'echo Sure?; read answer; echo $answer'])"
    )
    terminal.expect(
        r"sh \(process \d+\) waits for you to type something; --live shows what it says"
    )
    terminal.type("yes")
    terminal.finish()
    assert terminal.value("logs.text") == repr("Sure?\nyes\n")


def test_a_program_asks_for_a_password_on_the_terminal_of_the_user(terminal: Terminal) -> None:
    """As it would uncaptured: there, without an echo, and nothing of it is in the log."""
    program = str(TESTS_DIR / "scripts" / "terminals" / "asks_for_a_password.py")
    terminal.run("import subprocess, sys")
    for drain in ("process", "thread"):
        terminal.send(
            f"%%capture_fd --tty --drain {drain} -v logs\n"
            f"_ = subprocess.run([sys.executable, {program!r}])"
        )
        terminal.expect(r"\[asks\] password: ")
        terminal.type("secret")
        assert "secret" not in terminal.finish()
        assert terminal.value("logs.text") == repr("6 characters, True\n")
