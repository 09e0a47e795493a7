"""A captured cell behaves as if it were not captured (promise 4)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.cells import FAILING, WELL_BEHAVED, places
from helpers.fixtures import StartKernel
from helpers.gate import Gate
from helpers.kernel import Kernel, Reply
from helpers.wait import eventually


def both(kernel: Kernel, body: str, options: str = "-v logs") -> tuple[Reply, Reply]:
    """Run a cell as it is, then captured."""
    return kernel.run(body), kernel.run(f"%%capture_fd {options}\n{body}")


# -- what a cell gives ------------------------------------------------------------------------


@pytest.mark.parametrize("body", WELL_BEHAVED.values(), ids=WELL_BEHAVED.keys())
def test_a_captured_cell_gives_what_it_gives_uncaptured(kernel: Kernel, body: str) -> None:
    plain, captured = both(kernel, body)
    assert (captured.status, captured.result) == (plain.status, plain.result)
    assert captured.displays == plain.displays
    assert len(captured.errors) == len(plain.errors)
    assert (captured.stream("stdout"), captured.stream("stderr")) == ("", "")
    logs = kernel.value("(logs.stdout, logs.stderr)")
    shown = (plain.stream("stdout"), plain.stream("stderr"))
    assert [text.replace("\r\n", "\n") for text in logs] == [
        text.replace("\r\n", "\n") for text in shown
    ]
    assert captured.count == plain.count + 1


@pytest.mark.parametrize("body", FAILING.values(), ids=FAILING.keys())
def test_a_captured_cell_fails_as_it_fails_uncaptured(kernel: Kernel, body: str) -> None:
    plain, captured = both(kernel, body)
    assert captured.status == plain.status
    assert len(captured.errors) == len(plain.errors)
    if plain.status == "error":
        assert captured.error[0] == plain.error[0]
        # A syntax error's text names a file by the cell's hash.
        line_numbers = re.compile(r"line \d+|\d+\.py|\(\d+\)")
        assert line_numbers.sub("", captured.error[1]) == line_numbers.sub("", plain.error[1])
        assert places(captured, 1) == places(plain, 0)


@pytest.mark.parametrize("body", FAILING.values(), ids=FAILING.keys())
def test_after_a_failed_cell_everything_is_as_before(kernel: Kernel, body: str) -> None:
    kernel.run(f"%%capture_fd -v logs\n{body}")
    after = kernel.ok("import os, sys\nprint('shown again')\nos.write(1, b'native again\\n')")
    assert "shown again" in after.stream("stdout")
    assert kernel.value("(type(__import__('sys').stdout).__name__)") == "OutStream"


def test_a_failing_cell_keeps_all_that_was_written_before_the_error(kernel: Kernel) -> None:
    reply = kernel.run(
        "%%capture_fd -v logs\nimport os, sys\nprint('printed')\nos.write(1, b'native\\n')\n"
        "os.system('echo child')\nprint('complaint', file=sys.stderr)\n1/0"
    )
    assert reply.status == "error"
    assert kernel.value("logs.stdout") == "printed\nnative\nchild\n"
    assert kernel.value("logs.stderr") == "complaint\n"


def test_the_traceback_goes_to_the_notebook_and_not_into_the_log(kernel: Kernel) -> None:
    reply = kernel.run("%%capture_fd logs\nprint('a')\nraise ValueError('visible')")
    assert "ValueError: visible" in reply.traceback
    assert [error["ename"] for error in reply.errors] == ["ValueError"]
    assert kernel.value("logs.text") == "a\n"


def test_the_traceback_names_no_file_of_ours(kernel: Kernel) -> None:
    reply = kernel.run("%%capture_fd logs\ndef f():\n    raise ValueError\nf()")
    assert not re.search(r"ipyfdcapture/\w+\.py", reply.traceback), reply.traceback


def test_a_failing_cell_stops_what_was_queued_after_it(kernel: Kernel, gate: Gate) -> None:
    first = kernel.send(f"%%capture_fd logs\n{gate.wait}\n1/0", stop_on_error=True)
    second = kernel.send("ran = True")
    gate.open()
    assert kernel.finish(first).status == "error"
    assert kernel.finish(second).status in ("aborted", "error")
    eventually(lambda: kernel.run("").status == "ok", "the end of what ipykernel throws away")
    assert kernel.value("'ran' in globals()") is False


def test_a_warning_points_at_the_line_that_gave_it(kernel: Kernel) -> None:
    body = "import warnings\n\nwarnings.warn('careful')"
    plain, _ = both(kernel, body)
    number = re.compile(r"^\S+:(\d+): (.*)", re.M)
    expected = number.search(plain.stream("stderr"))
    found = number.search(kernel.value("logs.stderr"))
    assert expected is not None and found is not None
    assert (int(found[1]) - 1, found[2]) == (int(expected[1]), expected[2])


# -- the cell and the shell -------------------------------------------------------------------


def test_history_holds_the_cell_as_it_was_typed(fresh_kernel: Kernel) -> None:
    kernel = fresh_kernel  # IPython 8 may count a cell twice that was interrupted
    cell = "%%capture_fd -v logs\nprint('remember me')"
    kernel.ok(cell)
    assert kernel.value("get_ipython().history_manager.input_hist_raw[-1]") == cell
    kernel.ok("%recall -1")
    shown = kernel.ok("%history -l 2").stream("stdout")
    assert "__capture_fd__" not in shown and "remember me" in shown


def test_a_cell_can_be_run_again_from_history(fresh_kernel: Kernel) -> None:
    kernel = fresh_kernel
    count = kernel.ok("%%capture_fd -v logs\nprint('again')").count
    kernel.ok("del logs")
    kernel.ok(f"%rerun {count}")
    assert kernel.value("logs.stdout") == "again\n"


@pytest.mark.parametrize(
    "before",
    [
        "def __import__(*names): raise ImportError(names)",
        "sys = ipyfdcapture = capture_fd = begin_cell = None",
        "get_ipython = None",
        "import sys; sys.modules['sys'] = sys.modules['ipyfdcapture'] = None",
    ],
)
def test_no_name_of_the_notebook_gets_in_the_way(fresh_kernel: Kernel, before: str) -> None:
    fresh_kernel.ok(before)
    reply = fresh_kernel.run("%%capture_fd -v logs\nprint('captured')\n'result'")
    assert (reply.status, reply.result, reply.stream("stdout")) == ("ok", "'result'", "")
    assert fresh_kernel.ok("print(logs.text)").stream("stdout") == "captured\n\n"


def test_what_a_captured_cell_is_turned_into_is_readable_and_outlives_a_reset(
    fresh_kernel: Kernel,
) -> None:
    count = fresh_kernel.ok("%%capture_fd -v logs\nprint('a')").count
    run = fresh_kernel.ok(f"%history -t {count}").stream("stdout")
    assert run == "__capture_fd__('-v logs')\nprint('a')\n"
    fresh_kernel.ok("%reset -f")
    fresh_kernel.ok("%%capture_fd -v logs\nprint('after a reset')")
    assert fresh_kernel.value("logs.text") == "after a reset\n"


def test_out_holds_the_value_of_a_captured_cell(kernel: Kernel) -> None:
    reply = kernel.ok("%%capture_fd -v logs\n6 * 7")
    assert kernel.value(f"Out[{reply.count}]") == 42
    assert kernel.value("_") == 42


def test_user_expressions_of_the_same_request_see_the_variable(kernel: Kernel) -> None:
    reply = kernel.ok("%%capture_fd -v logs\nprint('x')", user_expressions={"text": "logs.stdout"})
    assert reply.content is not None
    assert reply.content["user_expressions"]["text"]["data"]["text/plain"] == r"'x\n'"


@pytest.mark.parametrize("silent", [True, False], ids=["silent", "spoken"])
@pytest.mark.parametrize("store", [True, False], ids=["stored", "not stored"])
@pytest.mark.parametrize("awaits", [True, False], ids=["async", "sync"])
def test_a_capture_ends_with_its_cell_however_it_is_executed(
    kernel: Kernel, silent: bool, store: bool, awaits: bool
) -> None:
    body = "import asyncio\nawait asyncio.sleep(0)\n" if awaits else ""
    kernel.ok(f"%%capture_fd -v logs\n{body}print('taken')", silent=silent, store_history=store)
    assert kernel.ok("print('shown')").stream("stdout") == "shown\n"
    assert kernel.value("logs.text") == "taken\n"


def test_asking_whether_a_cell_is_complete_changes_nothing(kernel: Kernel) -> None:
    kernel.ok("logs = 'untouched'")
    answers = {}
    for cell in (
        "%%capture_fd logs\nprint(1)\n\n",
        "%%capture_fd logs",
        "%%capture_fd --nope\nx\n\n",
    ):
        kernel.client.is_complete(cell)
        message = kernel.client.get_shell_msg(timeout=30)
        kernel.until(lambda messages: True)
        answers[cell] = message["content"]["status"]
    assert kernel.value("logs") == "untouched"
    assert kernel.ok("print('shown')").stream("stdout") == "shown\n"
    time_magic = {}
    for cell in answers:
        kernel.client.is_complete(cell.replace("capture_fd", "time"))
        time_magic[cell] = kernel.client.get_shell_msg(timeout=30)["content"]["status"]
    assert answers == time_magic


def test_asking_whether_a_cell_is_complete_during_a_capture_changes_nothing(
    kernel: Kernel,
) -> None:
    kernel.ok(
        "%%capture_fd -v logs\nprint('a')\n"
        "get_ipython().check_complete('%%capture_fd other\\nx\\n')\n"
        "get_ipython().transform_cell('%%capture_fd other\\nx\\n')\nprint('b')"
    )
    assert kernel.value("logs.text") == "a\nb\n"
    assert kernel.value("'other' in globals()") is False


def test_time_inside_the_capture_is_in_the_log(kernel: Kernel) -> None:
    reply = kernel.ok("%%capture_fd -v logs\n%%time\nprint('timed')\n'value'")
    assert reply.result == "'value'"
    text = kernel.value("logs.stdout")
    assert text.startswith("timed\n") and "Wall time" in text


def test_time_around_the_capture_is_shown(kernel: Kernel) -> None:
    reply = kernel.ok("%%time\n%%capture_fd -v logs\nprint('captured')")
    assert "Wall time" in reply.stream("stdout")
    assert kernel.value("logs.stdout") == "captured\n"


@pytest.mark.parametrize("order", ["%%capture_fd -v logs\n%%time", "%%time\n%%capture_fd -v logs"])
def test_an_error_in_a_timed_captured_cell_is_what_time_makes_of_it(
    kernel: Kernel, order: str
) -> None:
    plain = kernel.run("%%time\nprint('timed')\n1/0")
    captured = kernel.run(f"{order}\nprint('timed')\n1/0")
    assert captured.status == plain.status  # IPython 8.12's %%time says ok
    assert len(captured.errors) == len(plain.errors)
    assert "ZeroDivisionError" in captured.shown + kernel.value("logs.text")
    assert kernel.value("logs.stdout").startswith("timed\n")


def test_timeit_in_a_captured_cell_works(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd -v logs\n%timeit -n1 -r1 None")
    assert "loop" in kernel.value("logs.stdout")


def test_run_of_a_script_is_captured(kernel: Kernel) -> None:
    (kernel.directory / "a_script.py").write_text(
        "import os, sys\nprint('script', __name__)\nsys.stdout.flush()\n"
        "os.write(1, b'raw\\n')\nz = 9\n"
    )
    kernel.ok("%%capture_fd -v logs\n%run a_script.py")
    assert kernel.value("logs.stdout") == "script __main__\nraw\n"
    assert kernel.value("z") == 9


def test_help_in_a_captured_cell_is_paged_as_usual(kernel: Kernel) -> None:
    plain, captured = both(kernel, "len?")
    assert plain.content is not None and captured.content is not None
    assert plain.content["payload"] != []
    assert captured.content["payload"] == plain.content["payload"]


def test_input_in_a_captured_cell_asks_the_user(kernel: Kernel) -> None:
    asked = kernel.send(
        "%%capture_fd -v logs\nanswer = input('name? ')\nprint(answer)", allow_stdin=True
    )
    request = kernel.client.get_stdin_msg(timeout=30)
    assert request["content"]["prompt"] == "name? "
    kernel.client.input("Ada")
    assert kernel.finish(asked).status == "ok"
    assert kernel.value("(answer, logs.stdout)") == ("Ada", "Ada\n")


def test_a_startup_file_may_capture(start_kernel: StartKernel, tmp_path: Path) -> None:
    startup = tmp_path / "kernel" / "ipythondir" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "10-load.ipy").write_text(
        "%load_ext ipyfdcapture\n"
        "from IPython import get_ipython\n"
        "get_ipython().run_cell('%%capture_fd -v early\\nimport os\\n"
        'os.write(1, b"hello\\\\n")\')\n'
    )
    kernel = start_kernel(load=False)
    assert kernel.value("early.stdout") == "hello\n"
    assert kernel.ok("print('shown')").stream("stdout") == "shown\n"


def test_the_stream_objects_of_ipykernel_are_back_after_each_cell(fresh_kernel: Kernel) -> None:
    cells = (
        "%%capture_fd -v logs\nimport asyncio\nawait asyncio.sleep(0)\nprint('x')",
        "%%capture_fd -v logs\nprint('x')\n1/0",
        "%%capture_fd -v logs\ndef broken(:",
        "%%capture_fd --nope\nprint('x')",
    )
    for cell in cells:
        fresh_kernel.run(cell)
    fresh_kernel.leak_baseline()
    for cell in cells:
        fresh_kernel.run(cell)
    assert fresh_kernel.leaks(ignoring="files") == []


# -- interrupts -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wait",
    [
        "while True: pass",
        "import time\nwhile True: time.sleep(1)",
        "import subprocess; subprocess.run(['sleep', '1000'])",
        # Not one long sleep: ipykernel does not wake an idle loop for an interrupt.
        "import asyncio\nwhile True: await asyncio.sleep(0.001)",
        "while True: print('y' * 1000)",
        "!touch running; exec sleep 1000",
    ],
)
def test_an_interrupt_interrupts_a_captured_cell(kernel: Kernel, wait: str) -> None:
    (kernel.directory / "running").unlink(missing_ok=True)
    # A shell command says itself that it runs: IPython takes a moment to start it.
    ready = "" if wait.startswith("!") else "open('running', 'w').close()\n"
    asked = kernel.send(f"%%capture_fd -v logs\nprint('before')\n{ready}{wait}")
    kernel.await_file("running")
    kernel.interrupt()
    reply = kernel.finish(asked)
    if wait.startswith("!"):
        # As uncaptured: IPython's system() takes the interrupt for itself.
        assert reply.status in ("ok", "error")
    else:
        assert reply.status == "error"
        assert reply.error[0] in ("KeyboardInterrupt", "CancelledError")
        assert len(reply.errors) == 1
    assert kernel.value("logs.stdout[:7]") == "before\n"
    assert kernel.ok("print('shown')").stream("stdout") == "shown\n"


def test_an_interrupt_does_not_reach_the_helper(kernel: Kernel) -> None:
    (kernel.directory / "running").unlink(missing_ok=True)
    asked = kernel.send("%%capture_fd -v logs\nopen('running', 'w').close()\nwhile True: pass")
    kernel.await_file("running")
    kernel.interrupt()
    assert kernel.finish(asked).status == "error"
    assert kernel.run("%%capture_fd -v logs\nprint('next')").shown == ""
    assert kernel.value("logs.stdout") == "next\n"
