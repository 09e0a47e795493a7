"""Workers of pools on this machine, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.fixtures import Script

from ipyfdcapture import capture_fd, named_workers


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_each_worker_of_a_pool_is_a_source(script: Script, tmp_path: Path, way: str) -> None:
    directory = tmp_path / "barrier"
    directory.mkdir()
    assert script("named_workers", way, str(directory)).endswith("end\n")


def test_each_worker_of_joblib_is_a_source(script: Script) -> None:
    pytest.importorskip("joblib")  # which leaves a process of its own until the program ends
    assert script("named_workers_of_joblib").endswith("end\n")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [((0,), "count must be"), ((2, ""), "a label is"), ((2, "stdout"), "take another")],
)
def test_what_cannot_name_workers_is_refused(wrong: tuple[Any, ...], message: str) -> None:
    with capture_fd(), pytest.raises(ValueError, match=message):
        named_workers(*wrong)
