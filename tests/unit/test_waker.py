"""Waking a thread that waits, and calling several functions whatever one of them raises."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from helpers.wait import LIMIT_S

from ipyfdcapture.system.calling import call_all
from ipyfdcapture.system.waker import Waker


def test_who_waits_is_woken_and_a_wake_before_the_wait_counts() -> None:
    waker = Waker()
    timer = threading.Timer(0.05, waker.wake)
    timer.start()
    assert waker.wait(LIMIT_S)
    timer.join()
    assert not waker.wait(0)
    waker.wake()
    waker.wake()
    assert waker.wait(LIMIT_S)
    assert not waker.wait(0)
    waker.close()


def test_however_often_it_is_woken_nobody_waits_for_it() -> None:
    waker = Waker()
    for _ in range(100_000):  # more than a pipe holds
        waker.wake()
    assert waker.wait(LIMIT_S)
    waker.close()


def test_a_file_that_has_got_its_numbers_is_left_alone(tmp_path: Path) -> None:
    waker = Waker()
    path = tmp_path / "of somebody else"
    path.write_bytes(b"kept")
    numbers = [int(end) for end in waker.ends]
    with open(path, "r+b", buffering=0) as file:
        for number in numbers:
            os.dup2(file.fileno(), number)
        waker.wake()
        assert not waker.wait(0.01)
        waker.close()
        assert file.tell() == 0
    for number in numbers:
        os.close(number)
    assert path.read_bytes() == b"kept"


def test_all_are_called_and_the_last_exception_is_raised_with_those_before_it() -> None:
    called: list[str] = []

    def fail(name: str) -> None:
        called.append(name)
        try:
            raise KeyError(name)
        except KeyError:
            raise ValueError(name)  # noqa: B904  # it has a context of its own

    with pytest.raises(ValueError, match="second") as raised:
        call_all([lambda: fail("first"), None, lambda: fail("second"), lambda: called.append("x")])
    assert called == ["first", "second", "x"]
    contexts = [raised.value.__context__]
    while contexts[-1] is not None:
        contexts.append(contexts[-1].__context__)
    assert [repr(each) for each in contexts] == [
        "KeyError('second')",
        "ValueError('first')",
        "KeyError('first')",
        "None",
    ]
