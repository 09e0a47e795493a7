"""Runs in every Python that a test starts: ``run.py`` puts this directory on the path."""

from __future__ import annotations

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.dirname(HERE))

from helpers.after_import import after_import, replace_helper  # noqa: E402
from hiding import hide  # noqa: E402

hide()
replace_helper(os.path.join(HERE, "ipyfdcapture-helper", "drain", "__main__.py"))
after_import(
    "ipyfdcapture.drain.requests", lambda requests: setattr(requests, "_RECEIVE_CLOSED_ON_EXEC", 0)
)
# On macOS psutil asks the system, which cannot be had here. Nobody else knows /proc by this name.
after_import("psutil", lambda psutil: setattr(psutil, "PROCFS_PATH", "/dev/../proc"))
