"""Uses of the public interface, and the types that they have. mypy checks this; nobody runs it."""

from __future__ import annotations

import datetime
import logging
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from ipyfdcapture import (
    Capture,
    Captured,
    CaptureError,
    FdCapture,
    Line,
    attach,
    capture_fd,
    capture_thread,
    clear_thread_streams,
    forward_to_logging,
    history,
    install_thread_streams,
    open_log,
    popen,
    run_all,
    run_all_async,
    set_thread_streams,
    uninstall_thread_streams,
)

if TYPE_CHECKING:
    from typing_extensions import assert_type


def capture_a_block() -> None:
    with capture_fd() as logs:
        assert_type(logs, Captured)
    assert_type(capture_fd(live="auto", on_line=print, file="run.log", max_bytes=1 << 20), Capture)
    assert_type(capture_fd(live=logging.getLogger("native"), facts={"run": 7}), Capture)
    try:
        capture_fd(fds=[3]).start()
    except CaptureError as error:
        assert_type(str(error), str)


def read_a_log(logs: Captured) -> None:
    assert_type(logs[0], Line)
    assert_type(logs[-20:], Captured)
    assert_type(logs.text, str)
    assert_type(logs.raw, bytes)
    assert_type(logs.stdout + logs.stderr, str)
    assert_type([line.source for line in logs], list[str])
    assert_type(logs[0].time, datetime.datetime)
    assert_type(logs[0].number, int)
    assert_type(logs.grep("error", context=2), Captured)
    assert_type(logs.grep(re.compile("loss")).grep(level="warning").source("stderr"), Captured)
    assert_type(logs.head().tail(3).between(0, 20.5), Captured)
    assert_type(logs.levels(), dict[str, int])
    assert_type([gap.seconds for gap in logs.gaps(3)], list[float])
    assert_type([rate.lines for rate in logs.rate(60)], list[int])
    assert_type((logs.started, logs.duration), tuple[datetime.datetime, float])
    assert_type((logs.nbytes, logs.dropped, logs.complete), tuple[int, int, bool])
    assert_type(logs.wait(timeout=1), bool)
    assert_type(len(logs), int)
    assert_type(history[3], Captured)


def open_a_file() -> None:
    assert_type(open_log("slurm-4711.out"), Captured)
    assert_type(open_log("~/run.log.gz", times="auto", encoding="latin-1"), Captured)
    assert_type(open_log("run.log", follow=True), Captured)


def capture_one_descriptor() -> None:
    lines: list[Line] = []
    with FdCapture(2, callback=lines.append) as capture:
        assert_type(capture, FdCapture)
    assert_type(capture.captured, Captured)
    with forward_to_logging(logging.getLogger("native"), python=True) as logs:
        assert_type(logs, Captured)


def tell_threads_apart() -> None:
    with capture_thread(max_bytes=1000) as logs:
        assert_type(logs, Captured)
    with capture_thread(stdout=False, live={"stderr": sys.stderr}, on_line=print) as logs:
        assert_type(logs, Captured)
    install_thread_streams()
    set_thread_streams(sys.stdout, None)
    clear_thread_streams()
    uninstall_thread_streams()


async def run_children() -> None:
    child = popen(["solver"], label="solver", on_line=print, cwd="/")
    assert_type(child.label, str)
    assert_type(child.captured, Captured)
    assert_type(attach(subprocess.Popen(["solver"]), "solver"), Captured)
    results, logs = run_all({"a": ["solver"], "b": "solver model.lp"}, max_parallel=2)
    assert_type(results[0].returncode, "int | None")
    assert_type(logs, Captured)
    outcome = await run_all_async([["solver"], ["solver"]])
    assert_type(outcome.captured, Captured)


def narrow_and_save(logs: Captured) -> None:
    assert_type(logs.grep(b"\xff", ignore_case=True, level="error"), Captured)
    assert_type(logs.new(), Captured)
    assert_type("done" in logs, bool)
    assert_type(logs(), None)
    assert_type(logs.show(), None)
    assert_type(logs.save("run.html"), None)
    assert_type(logs.copy_to("run.out"), None)
    assert_type(logs.edit(), None)


def ask(logs: Captured, other: Captured) -> None:
    rows: list[dict[str, object]] = logs.extract(r"loss (?P<loss>\S+)", to="dicts")
    assert_type(len(rows), int)
    logs.table("gurobi", plot=True)
    diff = logs.diff(other, ignore=("numbers", "times"))
    assert_type([len(change.left) for change in diff.changes], list[int])
    assert_type(list(diff.only_right()), list[Line])


def start_pause_and_stop(capture: Capture) -> None:
    assert_type(capture.start(), Captured)
    assert_type(capture.pause(), None)
    assert_type(capture.resume(), None)
    assert_type(capture.stop(), Captured)
    assert_type(capture.captured, Captured)


def what_a_checker_refuses(logs: Captured) -> None:
    """Should it begin to accept one of these, its comment is unused, which is an error too."""
    capture_fd(stdout="yes")  # type: ignore[arg-type]
    capture_fd(max_bytes="1M")  # type: ignore[arg-type]
    capture_fd(None)  # type: ignore[arg-type, call-arg]
    capture_fd(no_such_option=True)  # type: ignore[call-arg]
    FdCapture("stderr")  # type: ignore[arg-type]
    forward_to_logging("solver")  # type: ignore[arg-type]
    run_all(7)  # type: ignore[arg-type]
    logs.grep(7)  # type: ignore[arg-type]
    logs.head("many")  # type: ignore[arg-type]
    logs.text = "other"  # type: ignore[misc]
    print(logs.no_such_attribute)  # type: ignore[attr-defined]
