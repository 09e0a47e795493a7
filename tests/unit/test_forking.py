"""What is registered for forks: when it is called, and which locks are free in a child."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from helpers.process import REPO_DIR, TESTS_DIR

SCRIPTS = TESTS_DIR / "scripts"


def _run(name: str, tmp_path: Path) -> tuple[dict[str, object], str]:
    """Run a script that writes what it found to a file; return that and its standard error."""
    found = tmp_path / "found.json"
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / name), str(found)],
        env={"PYTHONPATH": str(REPO_DIR)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(found.read_text()), done.stderr


def test_stages_are_passed_in_order_before_a_fork_and_in_reverse_after_it(tmp_path: Path) -> None:
    found, errors = _run("fork_order.py", tmp_path)
    before = ["flush", "second state", "state", "threads", "locks"]
    assert found["before"] == before
    assert found["parent"] == found["child"] == before[::-1]
    # One that fails is shown, and the others are called all the same.
    assert len(re.findall("^ZeroDivisionError", errors, re.MULTILINE)) == 3


def test_a_lock_that_another_thread_held_is_free_in_the_child(tmp_path: Path) -> None:
    found, errors = _run("fork_locks.py", tmp_path)
    assert found == {
        "held by another, free in the child": True,
        "held by the forking thread, held in the child": True,
        "free after it was released there": True,
        "still held in the parent": True,
        "one that is gone is forgotten": True,
    }
    assert not errors


def test_nothing_else_registers_functions_for_forks() -> None:
    """The order could not be told."""
    package = REPO_DIR / "ipyfdcapture"
    users = [path for path in package.rglob("*.py") if "register_at_fork" in path.read_text()]
    assert [str(path.relative_to(package)) for path in users] == ["system/forking.py"]
