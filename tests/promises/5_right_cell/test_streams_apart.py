"""stdout and stderr to places of their own, shown as they come, of a process or of one thread."""

from __future__ import annotations

import gc
import io
import logging
import os
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from helpers.kernel import Kernel
from helpers.wait import LIMIT_S, eventually

from ipyfdcapture import Captured, Line, capture_fd, capture_thread, popen

Start = Callable[..., AbstractContextManager[Captured]]


@pytest.fixture(params=[capture_fd, capture_thread], ids=["process", "thread"])
def capture(request: pytest.FixtureRequest) -> Start:
    start: Start = request.param
    return start


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[tuple[str, str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append((record.name, record.levelname, record.getMessage()))


@pytest.fixture
def records() -> Records:
    return Records()


def logger_of(name: str, handler: logging.Handler) -> logging.Logger:
    logger = logging.Logger(name)
    logger.addHandler(handler)
    return logger


def write_both() -> None:
    print("out")
    print("err", file=sys.stderr)


class TestADictOfTargets:
    def test_each_stream_goes_to_its_own_and_the_log_has_both(self, capture: Start) -> None:
        out, err = io.StringIO(), io.StringIO()
        with capture(live={"stdout": out, "stderr": err}) as logs:
            write_both()
        assert (out.getvalue(), err.getvalue()) == ("out\n", "err\n")
        assert sorted(logs) == ["err", "out"]

    @pytest.mark.parametrize("live", [{"stderr": 0}, {"stdout": None, "stderr": 0}])
    def test_what_is_not_named_is_not_shown(self, capture: Start, live: dict[str, Any]) -> None:
        err = io.StringIO()
        with capture(live={k: err if v == 0 else v for k, v in live.items()}) as logs:
            write_both()
        assert (err.getvalue(), logs.stdout) == ("err\n", "out\n")

    def test_loggers_have_levels_of_their_own(self, capture: Start, records: Records) -> None:
        out, err = logger_of("out", records), logger_of("err", records)
        with capture(live={"stdout": (out, "debug"), "stderr": (err, logging.CRITICAL)}):
            write_both()
        assert sorted(records.records) == [("err", "CRITICAL", "err"), ("out", "DEBUG", "out")]

    def test_one_logger_with_a_level_takes_both(self, capture: Start, records: Records) -> None:
        with capture(live=(logger_of("both", records), "ERROR")):
            write_both()
        assert sorted(records.records) == [("both", "ERROR", "err"), ("both", "ERROR", "out")]

    def test_loggers_with_one_handler_get_the_order_of_the_log(
        self, capture: Start, records: Records
    ) -> None:
        loggers = {name: logger_of(name, records) for name in ("stdout", "stderr")}
        with capture(live=loggers) as logs:
            for i in range(200):
                print(i, file=sys.stdout if i % 3 else sys.stderr)
        assert [text for _, _, text in records.records] == list(logs)

    def test_one_stream_for_both_is_written_to_in_order(self, capture: Start) -> None:
        both = io.StringIO()
        with capture(live={"stdout": both, "stderr": both}) as logs:
            for i in range(200):
                print(i, file=sys.stdout if i % 3 else sys.stderr)
        assert both.getvalue() == logs.text

    def test_a_target_that_fails_leaves_the_other_alone_and_is_told_of_once(
        self, capture: Start
    ) -> None:
        class Broken(io.StringIO):
            def write(self, text: str) -> int:
                raise OSError(28, "disk full")

        err = io.StringIO()
        with warnings.catch_warnings(record=True) as news:
            warnings.simplefilter("always")
            with capture(live={"stdout": Broken(), "stderr": err}) as logs:
                for i in range(3):
                    write_both()
                    eventually(lambda n=i: err.getvalue().count("err") > n, "what was written")
        assert err.getvalue() == "err\n" * 3
        assert logs.stdout == "out\n" * 3
        told = [str(each.message) for each in news if "live target" in str(each.message)]
        assert len(told) == 1 and "disk full" in told[0]

    def test_labelled_children_go_where_their_streams_go(self) -> None:
        out, err = io.StringIO(), io.StringIO()
        with capture_fd(live={"stdout": out, "stderr": err}):
            popen(["sh", "-c", "echo out; echo err >&2"], label="solver").wait()
        assert (out.getvalue(), err.getvalue()) == ("out\n", "err\n")

    def test_a_further_descriptor_is_named_like_its_source(self) -> None:
        read_end, write_end = os.pipe()
        try:
            text = io.StringIO()
            with capture_fd(fds=[write_end], live={f"fd {write_end}": text}):
                os.write(write_end, b"further\n")
                print("out")
            assert text.getvalue() == "further\n"
        finally:
            os.close(read_end)
            os.close(write_end)

    def test_a_log_goes_with_its_last_reference(self, capture: Start) -> None:
        gc.collect()
        gc.disable()
        try:
            with capture(live={"stdout": io.StringIO(), "stderr": io.StringIO()}) as logs:
                print("x")
            recording = weakref.ref(logs.recording)
            del logs
            eventually(lambda: recording() is None, "the recording is gone")
        finally:
            gc.enable()

    @pytest.mark.parametrize(
        ("live", "message"),
        [
            ({"stdin": io.StringIO()}, "live names 'stdin', which is not captured"),
            ({1: io.StringIO()}, "live names 1, which is not captured"),
            ({"stdout": 3}, "live must be .* not 3"),
            ({"stdout": {"stdout": io.StringIO()}}, "live must be"),
            ((logging.getLogger("x"), "loud"), "a logger's level must be like"),
            ((logging.getLogger("x"), 1.5), "a logger's level must be like"),
            ((logging.getLogger("x"), True), "a logger's level must be like"),
        ],
    )
    def test_what_is_none_is_refused_in_one_line(
        self, capture: Start, live: Any, message: str
    ) -> None:
        stdout = sys.stdout
        with pytest.raises(ValueError, match=message) as caught, capture(live=live):
            pass
        assert "\n" not in str(caught.value)
        assert sys.stdout is stdout

    def test_a_stream_that_is_not_captured_cannot_be_named(self, capture: Start) -> None:
        with (
            pytest.raises(ValueError, match="'stderr', which is not captured: stdout can be named"),
            capture(stderr=False, live={"stderr": io.StringIO()}),
        ):
            pass

    def test_merged_streams_cannot_be_told_apart(self) -> None:
        with pytest.raises(ValueError, match="merge=True makes one stream of two"):
            capture_fd(merge=True, live={"stdout": io.StringIO()})

    def test_in_a_notebook_one_is_shown_and_the_other_logged(self, kernel: Kernel) -> None:
        kernel.ok("import io, os; from ipyfdcapture import capture_fd; err = io.StringIO()")
        cell = """
with capture_fd(live={"stdout": "iopub", "stderr": err}):
    os.write(1, b"out\\n"); os.write(2, b"err\\n")
"""
        assert kernel.ok(cell).shown == "out\n"
        assert kernel.value("err.getvalue()") == "err\n"


class TestOneThread:
    @pytest.mark.parametrize("name", ["stdout", "stderr"])
    def test_a_stream_that_is_not_captured_goes_where_it_went(self, name: str) -> None:
        other = {"stdout": "stderr", "stderr": "stdout"}[name]
        with capture_thread() as outer, capture_thread(**{name: False}) as logs:
            print("left", file=getattr(sys, name))
            print("taken", file=getattr(sys, other))
        assert list(logs) == ["taken"]
        assert [(line, line.source) for line in outer] == [("left", name)]

    def test_with_both_off_there_is_nothing_to_capture(self) -> None:
        with (
            pytest.raises(ValueError, match="nothing to capture: stdout and stderr are both off"),
            capture_thread(stdout=False, stderr=False),
        ):
            pass

    def test_a_function_gets_each_line_as_it_comes(self) -> None:
        lines: list[Line] = []
        came = threading.Event()

        def on_line(line: Line) -> None:
            lines.append(line)
            came.set()

        with capture_thread(on_line=on_line):
            print("first")
            assert came.wait(LIMIT_S)
            print("unfinished", end="", file=sys.stderr)
        assert [(line, line.source) for line in lines] == [
            ("first", "stdout"),
            ("unfinished", "stderr"),
        ]

    def test_what_the_function_prints_goes_where_the_block_would_have_written(self) -> None:
        with capture_thread() as outer, capture_thread(on_line=lambda line: print("<", line)):
            print("x")
        assert list(outer) == ["< x"]

    def test_in_a_captured_block_it_is_shown_in_that_log(self) -> None:
        with (
            capture_fd() as outer,
            capture_thread(live="terminal", on_line=lambda line: print("<", line)),
        ):
            print("x")
        assert sorted(outer) == ["< x", "x"]

    def test_threads_at_once_are_shown_apart(self) -> None:
        shown = [io.StringIO() for _ in range(8)]

        def session(number: int) -> None:
            with capture_thread(live=shown[number]):
                for i in range(50):
                    print(number, i)

        threads = [threading.Thread(target=session, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT_S)
        for n, stream in enumerate(shown):
            assert stream.getvalue() == "".join(f"{n} {i}\n" for i in range(50))

    def test_nothing_of_it_runs_on_afterwards(self) -> None:
        before = threading.active_count()
        with capture_thread(live=io.StringIO(), on_line=print):
            print("x")
        assert threading.active_count() <= before

    def test_it_leaves_children_alone(self) -> None:
        with capture_fd() as outer, capture_thread(live=io.StringIO()) as logs:
            subprocess.run(["echo", "child"], check=True)
        assert (outer.text, logs.text) == ("child\n", "")
