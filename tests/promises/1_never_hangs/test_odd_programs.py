"""Programs that are not the usual Python: frozen, embedding, patched, of another user by now."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from helpers.fixtures import Script
from helpers.process import REPO_DIR


@pytest.mark.parametrize(
    ("kind", "starts"), [("ends", 4), ("captures", 4), ("hangs", 2), ("frozen", 1)]
)
def test_a_program_in_place_of_python_is_not_started_for_ever(
    script: Script, kind: str, starts: int
) -> None:
    """Three captures: one that ends at once may have been killed, and is tried three times."""
    shown = script("bad_days/a_program_in_place_of_python_is_started_once", kind)
    assert shown == f"end {starts}\n"


def test_a_helper_of_another_version_is_not_used(script: Script) -> None:
    assert script("bad_days/another_version_is_installed_while_the_process_runs") == "end\n"


def test_the_package_works_from_an_archive(script: Script, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "package"), "zip", REPO_DIR, "ipyfdcapture")
    assert script("bad_days/the_package_from_an_archive", archive) == "end\n"


@pytest.mark.parametrize("drain", ["auto", "thread"])
@pytest.mark.parametrize("kind", ["gevent", "eventlet"])
def test_captures_work_beside_coroutines_or_say_why_not(
    script: Script, kind: str, drain: str
) -> None:
    pytest.importorskip(kind)
    assert script("bad_days/gevent_and_eventlet", kind, drain) == "end\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_program_that_gave_up_its_rights_captures_again(script: Script) -> None:
    assert script("bad_days/a_capture_after_setuid") == "end\n"


@pytest.mark.parametrize("drain", ["process", "thread"])
def test_a_subinterpreter_captures_and_ends(script: Script, drain: str) -> None:
    if drain == "process" and sys.version_info < (3, 12):
        pytest.skip("a subinterpreter cannot end while a daemon thread of it runs")
    assert script("bad_days/a_subinterpreter_captures_and_ends", drain) == "end\n"
