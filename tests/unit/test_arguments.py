"""Arguments of the wrong kind: one clear line, and nothing has changed."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from traitlets import TraitError

from ipyfdcapture import (
    Captured,
    FdCapture,
    attach,
    capture_fd,
    capture_thread,
    forward_to_logging,
    popen,
    run_all,
    set_thread_streams,
)
from ipyfdcapture.ipython.config import CaptureFd

LOGGER = logging.getLogger("tests.arguments")
WRONG_LIMITS: list[Any] = [True, False, 0, -1, 1.5, "100M"]
NO_WORDS: list[Any] = [3, None, [], ["echo", 3], ["echo", None], {}]


@pytest.fixture
def warm() -> None:
    """What the process makes once, at first use, is there."""
    with capture_fd() as logs:
        pass
    logs.close()


def enter_capture_thread(**options: Any) -> None:
    with capture_thread(**options):
        raise AssertionError("it went on")


def started_by_run_all(*args: Any, **options: Any) -> None:
    """Run something that would show, before what is wrong."""
    run_all([["touch", "started"], *args], **options)


WRONG: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = [
    *[
        (function, arguments, {name: wrong}, f"{name} must be True or False")
        for function, arguments, names in [
            (capture_fd, (), ("stdout", "stderr", "python", "display", "merge")),
            (forward_to_logging, (LOGGER,), ("stdout", "stderr", "python", "levels")),
            (FdCapture, (1,), ("python",)),
            (enter_capture_thread, (), ("stdout", "stderr")),
        ]
        for name in names
        for wrong in (None, 1, "no", io.StringIO())
    ],
    *[
        (function, arguments, {"max_bytes": wrong}, "max_bytes must be a positive number")
        for function, arguments in [
            (capture_fd, ()),
            (forward_to_logging, (LOGGER,)),
            (enter_capture_thread, ()),
        ]
        for wrong in WRONG_LIMITS
    ],
    *[
        (function, arguments, {name: 3}, f"{name} must be a function")
        for function, arguments, name in [
            (capture_fd, (), "on_line"),
            (enter_capture_thread, (), "on_line"),
            (FdCapture, (1,), "callback"),
            (popen, (["touch", "started"],), "on_line"),
            (run_all, ([["touch", "started"]],), "on_line"),
        ]
    ],
    *[
        (function, arguments, {name: wrong}, message)
        for function, arguments in [(capture_fd, ()), (FdCapture, (1,))]
        for name, wrong, message in [
            ("encoding", "utf-9", "utf-9"),
            ("encoding", "hex", "not a text encoding"),
            ("encoding", "utf\0", "null"),
            ("encoding", None, "encoding"),
            ("encoding", 3, "encoding"),
            ("errors", "nonsense", "nonsense"),
            ("errors", None, "str"),
        ]
    ],
    (capture_fd, (), {"stdout": False, "stderr": False}, "nothing to capture"),
    *[(capture_fd, (), {"fds": wrong}, "fds takes") for wrong in (3, None, "34", [True], [3.0])],
    (capture_fd, (), {"fds": [9999]}, "9999 is not open"),
    (capture_fd, (), {"fds": [1 << 70]}, "is not open"),
    *[(capture_fd, (), {"file": wrong}, "file must be a path") for wrong in (3, io.BytesIO())],
    *[(capture_fd, (), {"live": wrong}, "live must be") for wrong in (3, True, "screen", print)],
    *[(capture_fd, (), {"drain": wrong}, "drain must be") for wrong in (None, "fork", [])],
    *[
        (capture_fd, (), {"live_interval": wrong}, "live_interval must be a number of seconds")
        for wrong in (0, -1, None, True, "fast", float("nan"))
    ],
    *[
        (capture_fd, (), {"live_max_bytes": wrong}, "live_max_bytes must be a positive number")
        for wrong in [*WRONG_LIMITS, None]
    ],
    *[(capture_fd, (), {"spool_dir": wrong}, "spool_dir must be") for wrong in (None, b"/tmp")],
    *[
        (capture_fd, (), {"facts": wrong}, "facts must be a dictionary")
        for wrong in (3, [1], {"x": object()})
    ],
    *[(FdCapture, (fd,), {}, r"descriptor|fd") for fd in (-1, 9999, "1", 1.0, True, None, 1 << 70)],
    *[
        (forward_to_logging, (wrong,), {}, "logging.Logger")
        for wrong in (None, "native", LOGGER.log)
    ],
    *[(set_thread_streams, (wrong, None), {}, "stdout must be") for wrong in (3, "out.txt", print)],
    *[(set_thread_streams, (None, wrong), {}, "stderr must be") for wrong in (3, "out.txt", print)],
    *[(popen, (wrong,), {}, "a program and its arguments") for wrong in NO_WORDS],
    *[(started_by_run_all, (wrong,), {}, "a program and its arguments") for wrong in NO_WORDS],
    (popen, (["echo", "a\0b"],), {}, "null byte"),
    (started_by_run_all, (["echo", b"a\0b"],), {}, "null byte"),
    *[(popen, (["touch", "started"],), {"label": wrong}, "label") for wrong in ("", 3, "stdout")],
    (run_all, ({"a": ["touch", "started"], "stdout": ["true"]},), {}, "label"),
    *[(run_all, (wrong,), {}, "commands are") for wrong in (3, None, "ls", b"ls")],
    *[
        (started_by_run_all, (), {"max_parallel": wrong}, "max_parallel must be a positive number")
        for wrong in WRONG_LIMITS
    ],
    *[
        (function, arguments, {name: subprocess.PIPE}, "PIPE")
        for function, arguments in [(popen, (["touch", "started"],)), (started_by_run_all, ())]
        for name in ("stdout", "stderr")
    ],
    *[(attach, (wrong, "label"), {}, "subprocess.Popen") for wrong in (None, 3, ["echo"])],
]


@pytest.mark.parametrize(("function", "arguments", "options", "message"), WRONG)
def test_what_is_of_the_wrong_kind_is_refused_in_one_line_and_changes_nothing(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    message: str,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    warm: None,
    no_leaks: None,
) -> None:
    monkeypatch.chdir(tmp_path)  # undone before the check for leaks, as it was asked for later
    with pytest.raises(ValueError, match=message) as refused:
        function(*arguments, **options)
    assert len(str(refused.value).splitlines()) == 1
    assert not os.listdir(tmp_path)
    monkeypatch.undo()


@pytest.fixture
def with_pipes() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        ["sh", "-c", "echo out; echo err >&2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


@pytest.mark.parametrize("options", [{"label": "stdout"}, {"label": "a", "on_line": 3}])
def test_a_refused_attach_leaves_the_process_its_pipes(
    options: dict[str, Any], with_pipes: subprocess.Popen[str], warm: None
) -> None:
    with pytest.raises(ValueError, match=r"label|on_line"):
        attach(with_pipes, **options)
    assert with_pipes.communicate() == ("out\n", "err\n")


def test_attach_takes_the_pipe_that_is_still_open(with_pipes: subprocess.Popen[str]) -> None:
    assert with_pipes.stdout is not None
    with_pipes.stdout.close()
    logs = attach(with_pipes, "a")
    with_pipes.wait()
    assert logs.wait()
    assert logs.recording.sources == ("a/stderr",)


@pytest.mark.parametrize("timeout", [None, -1, "2", True, float("nan")])
def test_a_stop_with_an_unreadable_timeout_stops_nothing(timeout: Any) -> None:
    capture = FdCapture(1).start()
    try:
        with pytest.raises(ValueError, match="timeout must be a number of seconds"):
            capture.stop(timeout)
        assert capture.real_fd is not None
        os.write(1, b"still captured\n")
    finally:
        capture.stop(timeout=float("inf"))
    assert capture.captured.text == "still captured\n"


def test_arguments_may_come_from_any_iterable() -> None:
    child = popen(word for word in ("echo", "one", b"two"))
    child.wait()
    assert (child.label, child.captured.text) == ("echo", "one two\n")
    results, logs = run_all((word for word in ("echo", str(i))) for i in range(2))
    assert sorted(logs) == ["0", "1"]
    assert [result.returncode for result in results] == [0, 0]


def test_a_child_whose_lines_cannot_be_given_to_on_line_does_not_stay(
    monkeypatch: pytest.MonkeyPatch, warm: None, no_leaks: None
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no thread")

    monkeypatch.setattr("ipyfdcapture.live.follower.WorkThread.start", fail)
    with pytest.raises(OSError, match="no thread"):
        popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, on_line=print)
    monkeypatch.undo()


@pytest.mark.parametrize("wrong", [None, "None", 0, "much"])
def test_a_size_that_must_be_one_is_refused_by_its_trait(wrong: Any) -> None:
    config = CaptureFd()
    config.max_bytes = None  # no limit: here it may be
    with pytest.raises(TraitError, match="a number of bytes above 0, such as 65536"):
        config.live_max_bytes = wrong
    assert config.live_max_bytes == 1_000_000


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda logs: logs.wait("2"), "a timeout is a number of seconds or None, not '2'"),
        (lambda logs: logs.rate("2"), "an interval is a number of seconds .*, not '2'"),
        (lambda logs: logs.diff(logs, ignore=None), "ignore takes .*, not None"),
        (lambda logs: logs.table(2), "name is the name of a table, or None, not 2"),
        (lambda logs: logs[None], "an index is the position of a line, or a slice, not None"),
    ],
    ids=["wait", "rate", "diff", "table", "index"],
)
def test_a_log_says_what_it_accepts(use: Callable[[Captured], object], message: str) -> None:
    with capture_fd() as logs:
        print("one line")
    with pytest.raises((TypeError, ValueError), match=message):
        use(logs)
