"""Plain Python processes, and the helper process of any process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from .wait import LIMIT_S, eventually

TESTS_DIR = Path(__file__).resolve().parent.parent
REPO_DIR = TESTS_DIR.parent
LOAD = "%load_ext ipyfdcapture"
#: A cell that waits until the extension has looked for what crashed kernels left. What it found is
#: said after this cell at the latest: `%load_ext` itself waits for a moment only.
AWAIT_LOOK = (
    "any(t.join() for t in __import__('threading').enumerate() if t.name == 'ipyfdcapture-crashes')"
    " or None"
)
#: An expression: what a test has left changed.
CHANGES = "__import__('helpers.state').state.changes()"
#: Whether the system tells which process waits to read from what.
TELLS_WHO_WAITS = os.path.exists("/proc/self/syscall")
_HELPER = os.path.join("drain", "__main__.py")


def private_env(directory: Path, **changes: str) -> dict[str, str]:
    """Return an environment in which nothing of the user's own is read or written."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JPY_", "JUPYTER_", "IPYTHON", "PYTEST_", "COV_", "COLUMNS"))
    }
    path = [str(REPO_DIR), str(TESTS_DIR), env.get("PYTHONPATH", "")]
    env["PYTHONPATH"] = os.pathsep.join(part for part in path if part)
    for name in ("TMPDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "HOME"):
        place = directory / name.lower()
        place.mkdir(mode=0o700, exist_ok=True)
        env[name] = str(place)
    env["PYTHONUNBUFFERED"] = ""
    env["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    return {**env, **changes}


def run_python(
    code: str,
    *arguments: str,
    directory: Path,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a new Python process, in its own session, with a private environment.

    What it leaves running is not waited for: its output goes through files.
    """
    directory.mkdir(exist_ok=True)
    path = directory / "script.py"
    path.write_text(textwrap.dedent(code))
    return run_file(path, *arguments, directory=directory, **options)


def run_file(
    path: Path,
    *arguments: str,
    directory: Path,
    env: Mapping[str, str] | None = None,
    timeout: float = LIMIT_S,
    preexec_fn: Callable[[], Any] | None = None,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run a file as `run_python` runs code, in ``directory``."""
    directory.mkdir(exist_ok=True)
    out_path, err_path = directory / "script.out", directory / "script.err"
    with open(out_path, "wb") as out, open(err_path, "wb") as err:
        process = subprocess.Popen(
            [sys.executable, str(path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", out),
            stderr=options.pop("stderr", err),
            env={**private_env(directory), **(env or {})},
            start_new_session=True,
            preexec_fn=preexec_fn,
            cwd=directory,
            **options,
        )
        try:
            status = process.wait(timeout)
        except BaseException:
            end_process(process.pid)
            for helper in pumps(process.pid):  # the script may have stopped it: it would stay so
                end_process(helper.pid)
            raise
        finally:
            end_process(process.pid)
            process.wait()
    return subprocess.CompletedProcess(
        [str(path)], status, out_path.read_text("utf-8", "replace"), err_path.read_text()
    )


def check_python(code: str, *arguments: str, directory: Path, **options: Any) -> str:
    """Run ``code`` as `run_python` does; it must end well. Returns what it printed."""
    return _output(run_python(code, *arguments, directory=directory, **options))


def check_script(name: str, *arguments: str, directory: Path, **options: Any) -> str:
    """Run ``tests/scripts/NAME.py`` as `check_python` runs code."""
    path = TESTS_DIR / "scripts" / f"{name}.py"
    return _output(run_file(path, *arguments, directory=directory, **options))


def _output(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def end_process(pid: int) -> None:
    """Kill one process; it may be gone already."""
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).kill()


def end(pid: int) -> None:
    """End a process at once; but let one that is measured (``tests/coverage``) save what it has."""
    if "COVERAGE_PROCESS_START" in os.environ:
        with contextlib.suppress(psutil.NoSuchProcess, AssertionError):
            psutil.Process(pid).terminate()
            eventually(lambda: is_gone(pid), "its end", LIMIT_S / 6)
    end_process(pid)


def pumps(owner: int) -> list[psutil.Process]:
    """Return the helper processes that serve the process ``owner``."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            at = next((i for i, word in enumerate(line) if word.endswith(_HELPER)), None)
            if at is None or "ipyfdcapture" not in line[at]:
                continue
            if line[-1] == str(owner) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def the_pump(owner: int, timeout: float = LIMIT_S) -> psutil.Process:
    """Return the one helper process of ``owner``, which may still be starting."""
    found = eventually(lambda: pumps(owner), f"a helper process of {owner}", timeout)
    assert len(found) == 1, found
    return found[0]


def is_gone(pid: int) -> bool:
    try:
        status: str = psutil.Process(pid).status()
    except psutil.NoSuchProcess:
        return True
    return status == str(psutil.STATUS_ZOMBIE)


def await_end(pid: int) -> None:
    """Wait until the process has ended, whoever its parent is."""
    eventually(lambda: is_gone(pid), f"the end of process {pid}")
