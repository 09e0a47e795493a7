"""What works where nothing can be captured yet: what Windows lacks is hidden here."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

from helpers.fixtures import Script

from ipyfdcapture import capture_fd


def test_logs_can_be_opened_searched_shown_and_saved_without_what_windows_lacks(
    tmp_path: Path, script: Script
) -> None:
    with capture_fd(merge=True) as logs:
        os.write(1, b"one\n")
        os.write(2, b"two\n")
    for suffix in (".log", ".txt", ".jsonl", ".parquet", ".log.gz"):
        logs.save(tmp_path / f"saved{suffix}")
    (tmp_path / "log.pickle").write_bytes(pickle.dumps(logs))
    shown = script("windows", str(tmp_path)).splitlines()
    assert shown[-1] == "done"
    assert shown[0].startswith("capture_fd: capturing is not yet supported on Windows; open_log()")
