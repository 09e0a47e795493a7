"""Warnings are only warnings, also where they are errors or cannot be shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import sandbox
from helpers.fixtures import Script
from helpers.process import TESTS_DIR, run_file

RUN = TESTS_DIR / "scripts" / "bad_days" / "load_and_run.py"
KILL = "from helpers.scripts import kill_helper; import warnings; warnings.simplefilter('error')"
CELL = """%%capture_fd -v logs
print("hours of work", flush=True)
kill_helper()
print("more")"""
SHOW = "print('BOUND', 'logs' in globals(), '_logs' in globals(), repr(logs.text))"


@pytest.mark.parametrize("kind", ["error", "showwarning", "no stderr"])
def test_warnings_that_raise_cost_nothing(script: Script, kind: str) -> None:
    assert script("bad_days/warnings_that_raise_cost_nothing", kind) == "end\n"


def test_a_cell_s_log_is_bound_though_its_warning_is_an_error(tmp_path: Path) -> None:
    done = run_file(RUN, "", KILL, CELL, SHOW, directory=tmp_path)
    shown = done.stdout + done.stderr
    assert r"BOUND True True 'hours of work\nmore\n'" in shown
    assert shown.count("a thread has taken over") == 1


@pytest.mark.skipif(not sandbox.CAN_FORBID_PROCESSES, reason="no seccomp filter for this machine")
def test_a_fall_back_happens_though_its_warning_is_an_error(tmp_path: Path) -> None:
    shown = run_file(
        RUN,
        "",
        "from helpers.sandbox import forbid_processes; forbid_processes()",
        "from ipyfdcapture.drain.host import ProcessHost; ProcessHost.is_usable = False",
        "import warnings; warnings.simplefilter('error')",
        "%%capture_fd -v logs\nprint('x')",
        "print('BOUND', repr(logs.text))",
        "%%capture_fd -v logs\nprint('y')",
        "print('BOUND', repr(logs.text))",
        directory=tmp_path,
    ).stdout
    assert r"BOUND 'x\n'" in shown and r"BOUND 'y\n'" in shown
    assert shown.count("captures use a thread") == 1
