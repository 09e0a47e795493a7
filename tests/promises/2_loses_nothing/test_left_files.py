"""What crashed kernels have left is found, read with care, and goes in the end."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from helpers.fixtures import Rounds, Script
from helpers.process import AWAIT_LOOK, TESTS_DIR, run_file
from helpers.wait import eventually

RUN = TESTS_DIR / "scripts" / "bad_days" / "load_and_run.py"
CRASH = "%%capture_fd\nimport os\nos.write(1, b'last words\\n')\nos.kill(os.getpid(), 9)"
#: A process that native code forked, which goes on: Python's own handlers have not run in it.
NATIVE_FORK = """%%capture_fd
import ctypes, os
libc = ctypes.PyDLL(None)
os.write(1, b"last words\\n")
child = libc.fork()
if child == 0:
    libc.setsid(); libc.sleep(60); libc._exit(0)
with open("child", "w") as file:
    file.write(str(child))
os.kill(os.getpid(), 9)"""


#: And what was written by then is recorded.
KILL_THE_HELPER = """from helpers.process import the_pump
from ipyfdcapture.capture.session import current_capture
the_pump(os.getpid()).kill()
assert current_capture().captured.text
"""


def run(directory: Path, *cells: str, where: str = "", **env: str) -> str:
    """Run cells in a new shell of the notebook ``nb.ipynb``; return what it shows."""
    env = {"JPY_SESSION_NAME": "nb.ipynb", **env}
    done = run_file(RUN, where, *cells, directory=directory, env=env)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def kept(directory: Path) -> list[Path]:
    return sorted((directory / "jupyter_runtime_dir").rglob("*.json"))


def crash(directory: Path, **env: str) -> None:
    """Crash a kernel of ``nb.ipynb``, and wait until what it left is where it is kept."""
    before = len(kept(directory))
    run(directory, CRASH, **env)
    eventually(lambda: len(kept(directory)) > before, "the recording of the crash")


@pytest.mark.parametrize("seed", range(2))
def test_damaged_recordings_are_read_with_care(script: Script, rounds: Rounds, seed: int) -> None:
    """A few with each change, for a minute by night."""
    name = "bad_days/damaged_recordings_are_read_with_care"
    arguments = str(seed), str(rounds(0, full=60)), str(6)
    assert script(name, *arguments, timeout=rounds(100, full=400)) == "end\n"


@pytest.mark.parametrize("helper", ["lives", "is killed"])
def test_a_process_that_native_code_forked_hides_no_crash(tmp_path: Path, helper: str) -> None:
    cell = NATIVE_FORK
    if helper == "is killed":
        cell = cell.replace("child = libc", KILL_THE_HELPER + "child = libc")
    run(tmp_path, cell)
    try:
        if helper == "lives":
            eventually(lambda: kept(tmp_path), "the recording of the crash")
        assert "last words" in run(tmp_path, "%capture_fd --recover")
    finally:
        os.kill(int((tmp_path / "child").read_text()), 9)


def test_a_relative_runtime_directory_is_where_the_notebook_is(tmp_path: Path) -> None:
    run(tmp_path, "import os; os.makedirs('elsewhere'); os.chdir('elsewhere')", CRASH,
        JUPYTER_RUNTIME_DIR="relative")  # fmt: skip
    eventually(lambda: list((tmp_path / "relative").rglob("*.json")), "the recording")
    shown = run(tmp_path, "%capture_fd --recover", JUPYTER_RUNTIME_DIR="relative")
    assert "last words" in shown
    assert not Path("/relative").exists()


@pytest.mark.parametrize("where", ["cwd gone", "runtime closed"])
def test_the_extension_loads_and_captures_in_awkward_places(tmp_path: Path, where: str) -> None:
    cell = "%%capture_fd -v logs\nprint('x')"
    shown = run(tmp_path, cell, "print(repr(logs.text))", "%capture_fd --recover", where=where)
    assert "'x\\n'" in shown
    assert "No crashed kernel" in shown


def test_without_a_directory_for_recordings_a_capture_says_so_in_one_line(tmp_path: Path) -> None:
    shown = run(tmp_path, "%%capture_fd -v logs\nprint('ran')", where="temporary gone")
    assert "cannot keep a recording in" in shown
    assert "ran\n" not in shown
    assert not (tmp_path / "missing").exists()


def test_recordings_of_kernels_that_never_come_back_go_by_age(tmp_path: Path) -> None:
    for number in range(3):
        crash(tmp_path, JPY_SESSION_NAME=f"one-off-{number}.ipynb")
    old = time.time() - 60 * 86400
    for file in kept(tmp_path)[:2]:
        os.utime(file, (old, old))
    run(tmp_path, AWAIT_LOOK)
    assert len(kept(tmp_path)) == 1


def test_recordings_of_all_notebooks_take_no_more_than_the_limit(tmp_path: Path) -> None:
    for number in range(3):
        crash(tmp_path, JPY_SESSION_NAME=f"one-off-{number}.ipynb")
    newest = max(kept(tmp_path), key=lambda file: file.stat().st_mtime_ns)
    limit = 3 * sum(file.stat().st_size for file in newest.parent.iterdir()) // 2
    run(tmp_path, f"%config CaptureFd.keep_crashed_bytes = {limit}", "%reload_ext ipyfdcapture",
        AWAIT_LOOK)  # fmt: skip
    assert kept(tmp_path) == [newest]


def test_recover_all_lists_what_kernels_of_other_notebooks_left(tmp_path: Path) -> None:
    crash(tmp_path, JPY_SESSION_NAME="other.ipynb")
    assert "No crashed kernel of this notebook" in run(tmp_path, "%capture_fd --recover")
    assert "last words" in run(tmp_path, "%capture_fd --recover --all")
    loaded = run(tmp_path, "%capture_fd --recover --all -v logs", "print(repr(logs.text))")
    assert "'last words\\n'" in loaded


def test_what_lies_there_does_not_hold_up_the_load(tmp_path: Path) -> None:
    """A recording on another file system is moved later: here, one that never gets there."""
    hold = "from ipyfdcapture.recording import crashes; import threading; held = threading.Event()"
    prune = "prune = crashes.prune; crashes.prune = lambda *a: (held.wait(60), prune(*a))[1]"
    crash(tmp_path)
    shown = run(
        tmp_path,
        hold,
        prune,
        "%reload_ext ipyfdcapture",
        "print('loaded')",
        f"held.set(); {AWAIT_LOOK}",
        "print('told')",
    )
    assert shown.index("loaded") < shown.rindex("a recording of a kernel") < shown.index("told")
