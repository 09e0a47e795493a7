"""Measures every Python that a test starts: ``measure.py`` puts this directory on the path."""

from __future__ import annotations

import os
import sys

import coverage

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from helpers.after_import import replace_helper

replace_helper(
    os.path.join(os.path.dirname(__file__), "ipyfdcapture-helper", "drain", "__main__.py")
)
coverage.process_startup()
