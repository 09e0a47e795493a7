"""Wherever a cell or a program can run: consoles, runners of notebooks, pools, scripts.

Terminal IPython has its own file, `test_terminal.py`; what all of them share is tested elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from helpers.fixtures import Python, Script
from helpers.kernel import Kernel
from helpers.process import await_end, private_env, pumps, the_pump
from helpers.terminal import JupyterConsole
from helpers.wait import LIMIT_S, eventually


@pytest.fixture
def python_env(tmp_path: Path) -> dict[str, str]:
    """An environment for tools that start kernels of this interpreter themselves."""
    spec = tmp_path / "share" / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "p", "language": "python"})
    )
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    return private_env(tmp_path, JUPYTER_PATH=str(tmp_path / "share" / "jupyter"), PATH=path)


def _run_module(directory: Path, env: dict[str, str], *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=directory,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


# -- whoever runs whole notebooks --------------------------------------------------------------


def notebook(*cells: str) -> str:
    return json.dumps(
        {
            "cells": [
                {
                    "cell_type": "code",
                    "id": f"c{number}",
                    "execution_count": None,
                    "metadata": {},
                    "outputs": [],
                    "source": source,
                }
                for number, source in enumerate(cells)
            ],
            "metadata": {
                "kernelspec": {"name": "python3", "display_name": "p", "language": "python"}
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


def outputs(path: Path) -> list[list[str]]:
    """Return the text of each output of each cell of a notebook file."""
    return [
        ["".join(each.get("text") or each["data"]["text/plain"]) for each in cell["outputs"]]
        for cell in json.loads(path.read_text())["cells"]
    ]


WORKS = notebook(
    "%load_ext ipyfdcapture",
    "%%capture_fd -v logs\nimport os\nprint('python')\n_ = os.write(1, b'native\\n')\n"
    "os.system('echo child')\n'the value'",
    "print(logs.stdout, end='')",
    "%%capture_fd --live -v logs\n_ = os.system('echo live')",
)
WORKED = [[], ["'the value'"], ["python\nnative\nchild\n"], ["live\n"]]

FAILS_IN_THE_MIDDLE = notebook(
    "%load_ext ipyfdcapture",
    "%%capture_fd -v logs\nprint('first')\n1/0",
    "open('ran-on', 'w').close()",
)

RUNNERS = pytest.mark.parametrize(
    "words",
    [
        pytest.param(("jupyter", "execute", "--inplace", "it.ipynb"), id="jupyter execute"),
        pytest.param(
            ("jupyter", "nbconvert", "--execute", "--to", "notebook", "--inplace", "it.ipynb"),
            id="nbconvert",
        ),
        pytest.param(("papermill", "-k", "python3", "it.ipynb", "it.ipynb"), id="papermill"),
    ],
)


@RUNNERS
def test_a_runner_of_notebooks_writes_what_a_reader_would_see(
    tmp_path: Path, python_env: dict[str, str], words: tuple[str, ...]
) -> None:
    file = tmp_path / "it.ipynb"
    file.write_text(WORKS)
    status, shown = _run_module(tmp_path, python_env, *words)
    assert status == 0, shown
    assert outputs(file) == WORKED


@RUNNERS
def test_a_runner_of_notebooks_stops_at_a_failing_captured_cell(
    tmp_path: Path, python_env: dict[str, str], words: tuple[str, ...]
) -> None:
    (tmp_path / "it.ipynb").write_text(FAILS_IN_THE_MIDDLE)
    status, shown = _run_module(tmp_path, python_env, *words)
    assert status != 0 and "ZeroDivisionError" in shown
    assert not (tmp_path / "ran-on").exists()


def test_nbclient_stops_at_a_failing_captured_cell(
    tmp_path: Path, python_env: dict[str, str]
) -> None:
    import nbclient
    import nbformat

    held = nbformat.reads(FAILS_IN_THE_MIDDLE, as_version=4)
    client = nbclient.NotebookClient(
        held, timeout=60, resources={"metadata": {"path": str(tmp_path)}}, kernel_name="python3"
    )
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="ZeroDivisionError"):
        client.execute(env=python_env)
    assert not (tmp_path / "ran-on").exists()


def test_nbval_compares_what_captured_cells_show(
    tmp_path: Path, python_env: dict[str, str]
) -> None:
    file = tmp_path / "it.ipynb"
    file.write_text(WORKS)
    nbval = ("pytest", "-q", "--nbval", "--nbval-current-env", "-p", "no:cacheprovider", "it.ipynb")
    status, shown = _run_module(tmp_path, python_env, *RUNNERS.args[1][0].values[0])
    assert status == 0, shown
    status, shown = _run_module(tmp_path, python_env, *nbval)
    assert status == 0 and "4 passed" in shown, shown
    file.write_text(file.read_text().replace('native\\n",', 'other\\n",'))
    status, shown = _run_module(tmp_path, python_env, *nbval)
    assert status == 1 and "1 failed, 3 passed" in shown, shown


def test_nbval_reports_a_failing_captured_cell(tmp_path: Path, python_env: dict[str, str]) -> None:
    (tmp_path / "fails.ipynb").write_text(FAILS_IN_THE_MIDDLE)
    status, shown = _run_module(
        tmp_path, python_env, "pytest", "-q", "--nbval-lax", "-p", "no:cacheprovider", "fails.ipynb"
    )
    assert status == 1
    assert "Cell 1" in shown and "ZeroDivisionError" in shown


# -- jupyter console ----------------------------------------------------------------------------


@pytest.fixture
def console(tmp_path: Path, python_env: dict[str, str]) -> Iterator[JupyterConsole]:
    console = JupyterConsole(tmp_path, env=python_env)
    yield console
    console.close()


def test_jupyter_console_shows_what_terminal_ipython_does(console: JupyterConsole) -> None:
    shown = console.run(
        "%%capture_fd -v logs\nimport os\nprint('python')\n_ = os.system('echo child')\n6 * 7"
    )
    assert "42" in shown and "python" not in shown and "child" not in shown
    assert console.value("logs.text") == repr("python\nchild\n")
    assert "while it runs" in console.run(
        "%%capture_fd --live\n_ = os.system('echo while it runs')"
    )
    # It does not update what it has shown: of --progress it shows the first state alone.
    assert re.search(r"\d lines? ·", console.run("%%capture_fd --progress\nprint(1)"))
    assert "the end" in console.run("print('the end')")
    # Nothing after this: a cell that comes within moments of an error is not run.
    shown = console.run("%%capture_fd -v logs\nprint('before')\n1/0")
    assert re.search(r"ZeroDivisionError.*\nbefore", shown, re.S)


def test_an_interrupt_in_jupyter_console_interrupts_a_captured_cell(
    console: JupyterConsole,
) -> None:
    console.send(
        "%%capture_fd -v logs\nprint('before')\ntry:\n    open('running', 'w').close()\n"
        "    while True: pass\nexcept KeyboardInterrupt:\n    print('interrupted')\n"
        "    open('ended', 'w').close()"
    )
    eventually((console.directory / "running").exists, "the cell")
    for _ in range(5):  # the console loses one that comes just as it begins to wait for the reply
        console.interrupt()
        with contextlib.suppress(AssertionError):
            eventually((console.directory / "ended").exists, "the interrupt", timeout=5)
            break
    console.finish()
    assert console.value("logs.text") == repr("before\ninterrupted\n")


def test_leaving_jupyter_console_ends_the_helper(console: JupyterConsole) -> None:
    kernel = int(console.value("__import__('os').getpid()"))
    console.run("%%capture_fd -v logs\nprint('x')")
    helper = the_pump(kernel)
    assert console.leave() == 0
    await_end(helper.pid)
    assert pumps(kernel) == []


# -- ipython without a prompt ---------------------------------------------------------------------

COMMANDS = """\
%load_ext ipyfdcapture
value = %capture_fd -v logs __import__('os').system('echo child')
print([value, logs.text])
from ipyfdcapture import capture_fd
with capture_fd() as logs:
    !echo from the shell
print([logs.text])
"""


@pytest.mark.ipython
def test_ipython_runs_commands_that_capture(tmp_path: Path) -> None:
    status, shown = _run_module(tmp_path, private_env(tmp_path), "IPython", "-c", COMMANDS)
    assert (status, shown) == (0, "[0, 'child\\n']\n['from the shell\\n']\n")


@pytest.mark.ipython
def test_ipython_runs_a_script_that_captures(tmp_path: Path) -> None:
    (tmp_path / "it.ipy").write_text(COMMANDS)
    status, shown = _run_module(tmp_path, private_env(tmp_path), "IPython", "it.ipy")
    assert (status, shown) == (0, "[0, 'child\\n']\n['from the shell\\n']\n")


@pytest.mark.ipython
def test_ipython_runs_a_notebook_cell_by_cell(tmp_path: Path) -> None:
    (tmp_path / "it.ipynb").write_text(WORKS)
    status, shown = _run_module(tmp_path, private_env(tmp_path), "IPython", "it.ipynb")
    assert status == 0
    assert shown.splitlines()[-4:] == ["python", "native", "child", "live"]


# -- a kernel in the program itself ---------------------------------------------------------------


@pytest.mark.ipython
def test_an_in_process_kernel_captures(script: Script) -> None:
    shown = script("front_ends/an_in_process_kernel_captures")
    assert shown == "end\n"


# -- processes of multiprocessing -----------------------------------------------------------------

METHODS = pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])

PROCESSES = """\
import multiprocessing, os, sys, tempfile
from multiprocessing import resource_tracker
from ipyfdcapture import capture_fd

tempfile.tempdir = sys.argv[2]  # a socket's path has to be short

def work(n):
    print("print", n, flush=True)
    os.write(2, b"native %d\\n" % n)
    return n * n

def work_captured(n):
    with capture_fd() as logs:
        print("print", n)
        os.write(1, b"native %d\\n" % n)
        os.system("echo child")
    return logs.text

def lines(n):
    return [[f"print {n}"], [f"native {n}"]]

def seen(logs):
    return [sorted(logs.stdout.splitlines()), sorted(logs.stderr.splitlines())]

def use(pool, n):
    assert pool.map(work, [n]) == [n * n]

def use_new_pool(n):
    with context.Pool(1) as pool:
        use(pool, n)
        pool.close()
        pool.join()

context = multiprocessing.get_context(sys.argv[1])
if __name__ == "__main__":
"""


@pytest.fixture
def processes(python: Python) -> Iterator[Any]:
    """Run a program with pools of processes; return what it and they printed, line by line."""
    with tempfile.TemporaryDirectory(dir="/tmp") as short:

        def run(method: str, code: str) -> list[str]:
            return python(PROCESSES + code, method, short).splitlines()

        yield run


@METHODS
def test_the_workers_of_a_pool_made_in_a_capture_are_captured(processes: Any, method: str) -> None:
    shown = processes(
        method,
        """
    with capture_fd() as logs:
        with context.Pool(2) as pool:
            assert pool.map(work, range(6)) == [n * n for n in range(6)]
            pool.close()
            pool.join()
    assert sorted(logs.stdout.splitlines()) == [f"print {n}" for n in range(6)], logs.stdout
    assert sorted(logs.stderr.splitlines()) == [f"native {n}" for n in range(6)], logs.stderr
    print("end")
        """,
    )
    assert shown == ["end"]


@METHODS
def test_the_workers_of_a_pool_may_capture_for_themselves(processes: Any, method: str) -> None:
    shown = processes(
        method,
        """
    own = [f"print {n}\\nnative {n}\\nchild\\n" for n in range(4)]
    with capture_fd() as logs:
        with context.Pool(2) as pool:
            assert pool.map(work_captured, range(4)) == own
            use(pool, 7)
            pool.close()
            pool.join()
    assert seen(logs) == lines(7), logs.text
    print("end")
        """,
    )
    assert shown == ["end"]


@METHODS
def test_a_pool_made_before_a_capture_writes_where_it_wrote(processes: Any, method: str) -> None:
    """Descriptors are inherited when a process starts: the README says so."""
    shown = processes(
        method,
        """
    with context.Pool(1) as pool:
        use(pool, 1)
        with capture_fd() as logs:
            print("own")
            use(pool, 2)
        assert logs.text == "own\\n", logs.text
        use(pool, 3)
        """,
    )
    assert shown == ["print 1", "print 2", "print 3"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_each_pool_writes_into_the_capture_in_which_it_was_made(
    processes: Any, method: str
) -> None:
    shown = processes(
        method,
        """
    with capture_fd() as first:
        use_new_pool(1)
    with capture_fd() as second:
        use_new_pool(2)
    use_new_pool(3)
    assert [seen(first), seen(second)] == [lines(1), lines(2)], (first.text, second.text)
        """,
    )
    assert shown == ["print 3"]


def test_the_fork_server_writes_where_it_was_started_and_into_the_running_log(
    processes: Any,
) -> None:
    """Its workers are its children, and it lives on."""
    shown = processes(
        "forkserver",
        """
    with capture_fd() as first:
        use_new_pool(1)
    with capture_fd() as second:
        use_new_pool(2)
    use_new_pool(3)
    assert seen(second) == lines(2), second.text
    expected = [[f"{word} {n}" for n in (1, 2, 3)] for word in ("print", "native")]
    assert seen(first) == expected, first.text
    assert not first.complete
    print("end")
        """,
    )
    assert shown == ["end"]


def test_the_resource_tracker_of_multiprocessing_keeps_a_log_from_being_complete(
    processes: Any,
) -> None:
    """It is a process that the first pool starts, and that lives as long as Python."""
    shown = processes(
        "spawn",
        """
    with capture_fd() as logs:
        use_new_pool(1)
    assert seen(logs) == lines(1), logs.text
    assert not logs.complete and not logs.wait(0.1)
    resource_tracker._resource_tracker._stop()
    logs.wait(60)
    assert logs.complete
    print("end")
        """,
    )
    assert shown == ["end"]


# -- executors and others -------------------------------------------------------------------------


def test_what_threads_of_an_executor_write_goes_to_the_capture_of_its_time(kernel: Kernel) -> None:
    """A thread shares its process's descriptors, whenever it was started."""
    kernel.ok(
        "import os\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "def work(n):\n    print('print', n)\n    os.write(1, b'native %d\\n' % n)\n"
        "pool = ThreadPoolExecutor(1)\npool.submit(work, 0).result()"
    )
    kernel.ok("%%capture_fd -v first\npool.submit(work, 1).result()")
    kernel.ok(
        "%%capture_fd -v second\nwith ThreadPoolExecutor() as new:\n"
        "    new.submit(work, 2).result()"
    )
    kernel.ok("pool.submit(work, 3).result()\npool.shutdown()")
    assert kernel.value("first.text") == "print 1\nnative 1\n"
    assert kernel.value("second.text") == "print 2\nnative 2\n"


def test_the_processes_of_an_executor_are_captured(processes: Any) -> None:
    shown = processes(
        "spawn",
        """
    from concurrent.futures import ProcessPoolExecutor
    with capture_fd() as logs:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            assert list(pool.map(work, [2])) == [4]
    assert seen(logs) == lines(2), logs.text
    print("end")
        """,
    )
    assert shown == ["end"]


def test_the_workers_that_joblib_keeps_write_where_they_were_started_and_into_the_running_log(
    kernel: Kernel,
) -> None:
    kernel.ok(
        "import joblib, os\nfrom joblib.externals.loky import get_reusable_executor\n"
        "def work(n):\n    print('print', n, flush=True)\n    os.write(1, b'native %d\\n' % n)\n"
        "def run(n):\n    joblib.Parallel(2)([joblib.delayed(work)(n)])"
    )
    kernel.ok("%%capture_fd -v first\nrun(1)")
    kernel.ok("%%capture_fd -v second\nrun(2)\nget_reusable_executor().shutdown()")
    kernel.ok("%%capture_fd -v third\nrun(3)\nget_reusable_executor().shutdown()")
    assert kernel.value("first.text") == "print 1\nnative 1\nprint 2\nnative 2\n"
    assert kernel.value("second.text") == "print 2\nnative 2\n"
    assert kernel.value("third.text") == "print 3\nnative 3\n"


def test_the_subprocesses_of_asyncio_are_captured_unless_they_have_pipes(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd -v logs\nimport asyncio\nfrom asyncio.subprocess import PIPE\n"
        "child = await asyncio.create_subprocess_exec('sh', '-c', 'echo out; echo err >&2')\n"
        "await child.wait()\n"
        "child = await asyncio.create_subprocess_shell('echo piped; echo err >&2', stdout=PIPE)\n"
        "piped, _ = await child.communicate()"
    )
    assert kernel.value("[logs.stdout, logs.stderr]") == ["out\n", "err\nerr\n"]
    assert kernel.value("piped") == b"piped\n"


def test_a_plain_script_in_a_terminal_captures_and_goes_on_as_before(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\nfrom ipyfdcapture import capture_fd\n"
        "with capture_fd() as logs:\n"
        "    print('python', sys.stdout.isatty())\n"
        "    os.write(1, b'native\\n')\n"
        "    os.system('echo child')\n"
        "print(logs.stdout.split(), sys.stdout.isatty())\n"
    )
    shown, status = pexpect.run(
        f"{sys.executable} {script}",
        env={**private_env(tmp_path), "TERM": "dumb"},
        withexitstatus=True,
        timeout=int(LIMIT_S),
        encoding="utf-8",
    )
    assert (shown, status) == ("['python', 'False', 'native', 'child'] True\r\n", 0)
