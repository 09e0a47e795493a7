"""What is left behind is seen: the check that other tests trust."""

from __future__ import annotations

import _thread
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from helpers.leaks import settled_difference, snapshot


@pytest.fixture
def undo() -> Iterator[list[Callable[[], object]]]:
    steps: list[Callable[[], object]] = []
    yield steps
    for step in reversed(steps):
        step()


def leave_descriptor(undo: list[Callable[[], object]]) -> None:
    fd = os.dup(0)
    undo.append(lambda: os.close(fd))


def leave_unlisted_thread(undo: list[Callable[[], object]]) -> None:
    running, end = threading.Event(), threading.Event()
    _thread.start_new_thread(lambda: (running.set(), end.wait()), ())
    running.wait()
    undo.append(end.set)


def leave_child(undo: list[Callable[[], object]]) -> None:
    child = subprocess.Popen(["sleep", "1000"])
    undo += [child.wait, child.kill]


def leave_signal_handler(undo: list[Callable[[], object]]) -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    undo.append(lambda: signal.signal(signal.SIGUSR1, before))


def leave_hook(undo: list[Callable[[], object]]) -> None:
    usual = os.writev
    os.writev = lambda *args: usual(*args)
    undo.append(lambda: setattr(os, "writev", usual))


def leave_attribute(undo: list[Callable[[], object]]) -> None:
    stream = sys.stdout
    stream.left_behind = True  # type: ignore[attr-defined]
    undo.append(lambda: delattr(stream, "left_behind"))


def leave_logging_handler(undo: list[Callable[[], object]]) -> None:
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    undo.append(lambda: logging.getLogger().removeHandler(handler))


@pytest.mark.parametrize(
    ("leave", "named"),
    [
        (leave_descriptor, "descriptors"),
        (leave_unlisted_thread, "native threads"),
        (leave_child, "children"),
        (leave_signal_handler, "handler of signal"),
        (leave_hook, "os.writev"),
        (leave_attribute, "attributes of sys.stdout"),
        (leave_logging_handler, "logging handlers"),
    ],
)
def test_it_is_seen_and_named(
    leave: Callable[[list[Callable[[], object]]], None],
    named: str,
    undo: list[Callable[[], object]],
) -> None:
    before = snapshot()
    assert settled_difference(before) == []
    leave(undo)
    assert named in "\n".join(settled_difference(before, timeout=0))
    for step in reversed(undo):
        step()
    undo.clear()
    assert settled_difference(before) == []
