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


def test_each_worker_of_joblib_is_a_source() -> None:
    joblib = pytest.importorskip("joblib")
    from joblib.externals.loky import get_reusable_executor

    with capture_fd() as logs, joblib.parallel_config(backend="loky", **named_workers(2)):
        tasks = [joblib.delayed(print)(number) for number in range(4)]
        joblib.Parallel(n_jobs=2)(tasks)
    get_reusable_executor().shutdown(wait=True)
    assert sorted(logs) == ["0", "1", "2", "3"]
    assert {line.source for line in logs} <= {"worker-1/stdout", "worker-2/stdout"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [((0,), "count must be"), ((2, ""), "a label is"), ((2, "stdout"), "take another")],
)
def test_what_cannot_name_workers_is_refused(wrong: tuple[Any, ...], message: str) -> None:
    with capture_fd(), pytest.raises(ValueError, match=message):
        named_workers(*wrong)
