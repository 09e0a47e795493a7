"""What all tests of clusters need."""

from __future__ import annotations

import pytest
from helpers.wait import LIMIT_S

from ipyfdcapture import capture_fd
from ipyfdcapture.cluster import captured_cells


@pytest.fixture(scope="session", autouse=True)
def _no_haste() -> None:
    """Have captures wait for workers as long as it takes: these have other tests beside them."""
    captured_cells.FETCH_S = LIMIT_S


@pytest.fixture(scope="session", autouse=True)
def helper() -> None:
    """Have what the first capture of a process makes for all: it is no leak of a test."""
    with capture_fd() as logs:
        assert logs.text == ""
