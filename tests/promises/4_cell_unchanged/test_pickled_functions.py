"""Functions that a capture hooks go to other processes as themselves."""

from __future__ import annotations

import os
import pickle
from multiprocessing.reduction import ForkingPickler

import pytest

from ipyfdcapture import capture_fd


@pytest.mark.parametrize("name", ["write", "writev", "system", "posix_spawn"])
def test_a_hooked_function_pickles_as_the_one_it_stands_for(name: str) -> None:
    original = getattr(os, name)
    with capture_fd():
        assert getattr(os, name) is not original
        assert getattr(os, name).__name__ == name
        sent = pickle.loads(pickle.dumps(getattr(os, name)))
        to_pool = pickle.loads(ForkingPickler.dumps(getattr(os, name)))  # as pools send it
    assert sent is original and to_pool is original
