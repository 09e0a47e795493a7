"""What all tests of clusters need."""

from __future__ import annotations

import pytest

from ipyfdcapture import capture_fd


@pytest.fixture(scope="session", autouse=True)
def helper() -> None:
    """Have what the first capture of a process makes for all: it is no leak of a test."""
    with capture_fd() as logs:
        assert logs.text == ""
