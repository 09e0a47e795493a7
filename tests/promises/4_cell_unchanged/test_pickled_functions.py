"""Functions that a capture hooks are used as what they are, and go to other processes as that."""

from __future__ import annotations

import contextlib
import copy
import functools
import importlib
import inspect
import os
import pickle
import subprocess
import sys
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest
from helpers.process import TESTS_DIR
from helpers.wait import LIMIT_S

from ipyfdcapture import capture_fd

#: Where cloudpickle is: by itself, and in joblib.
_CLOUDPICKLES = ("cloudpickle", "joblib.externals.cloudpickle")
_CALL_IT = str(TESTS_DIR / "scripts" / "hooks" / "what_was_sent_is_called.py")


def _cloudpickle() -> Any:
    for name in _CLOUDPICKLES:
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    pytest.skip("cloudpickle is not installed")


@pytest.mark.parametrize("name", ["write", "writev", "system", "posix_spawn"])
def test_a_hooked_function_pickles_as_the_one_it_stands_for(name: str) -> None:
    original = getattr(os, name)
    with capture_fd():
        assert getattr(os, name) is not original
        assert getattr(os, name).__name__ == name
        sent = pickle.loads(pickle.dumps(getattr(os, name)))
        to_pool = pickle.loads(ForkingPickler.dumps(getattr(os, name)))  # as pools send it
        copied = copy.copy(getattr(os, name))
    assert sent is original and to_pool is original and copied is original


@pytest.mark.parametrize(
    ("name", "arguments"), [("write", "(1, b'words')"), ("system", "('printf words',)")]
)
def test_a_hooked_function_goes_by_cloudpickle_to_where_we_are_not(
    name: str, arguments: str
) -> None:
    cloudpickle = _cloudpickle()
    with capture_fd():
        kept = getattr(os, name)
        sent = cloudpickle.dumps(kept)
    for pickled in (sent, cloudpickle.dumps(kept)):  # the other: when nothing is captured
        command = [sys.executable, _CALL_IT, arguments]
        done = subprocess.run(command, input=pickled, capture_output=True, timeout=LIMIT_S)
        assert (done.stdout, done.stderr) == (b"words", b"")


@pytest.mark.parametrize("name", ["write", "system"])
def test_a_hooked_function_tells_its_arguments(name: str) -> None:
    original = inspect.signature(getattr(os, name))
    with capture_fd():
        hooked = getattr(os, name)
        wrapped = functools.wraps(hooked)(lambda *arguments: hooked(*arguments))
    assert inspect.signature(hooked) == original and inspect.signature(wrapped) == original


def test_a_class_that_has_a_hooked_function_makes_no_method_of_it() -> None:
    with capture_fd() as logs:

        class Sink:
            write = os.write
            system = os.system

        assert Sink().write(1, b"written\n") == 8
        assert Sink().system("echo run") == 0
    assert logs.text == "written\nrun\n"
    assert Sink().write(1, b"") == 0
