"""One descriptor at a time; native output through logging; descriptors other than 1 and 2."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.leaks import fd_target
from helpers.wait import LIMIT_S, eventually

from ipyfdcapture import CaptureError, FdCapture, Line, capture_fd, forward_to_logging
from ipyfdcapture.recording import spool


@pytest.fixture
def warm() -> None:
    """What the process makes once, at first use, is there."""
    spool.directory()
    with capture_fd():
        pass


@contextlib.contextmanager
def file_on(fd: int, path: Path) -> Iterator[None]:
    """Have a descriptor lead to a file."""
    saved = os.dup(fd)
    with path.open("wb") as file:
        os.dup2(file.fileno(), fd)
    try:
        yield
    finally:
        os.dup2(saved, fd)
        os.close(saved)


@contextlib.contextmanager
def stream_on(name: str, fd: int) -> Iterator[Any]:
    """Have ``sys.stdout`` or ``sys.stderr`` write to a descriptor, as in a plain program."""
    found = getattr(sys, name)
    with open(fd, "w", buffering=1, closefd=False) as stream:
        setattr(sys, name, stream)
        try:
            yield stream
        finally:
            setattr(sys, name, found)


def find_callback_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("ipyfdcapture-callback")]


class TestOneDescriptor:
    @pytest.mark.parametrize("fd", [1, 2])
    def test_it_captures_what_is_written_there_and_nothing_else(
        self, fd: int, tmp_path: Path
    ) -> None:
        with file_on(1, tmp_path / "1"), file_on(2, tmp_path / "2"):
            with FdCapture(fd) as capture:
                os.write(fd, b"captured\n")
                os.write(3 - fd, b"other\n")
                subprocess.run(["sh", "-c", f"echo child >&{fd}"], check=True)
            os.write(fd, b"after\n")
        assert capture.captured.text == "captured\nchild\n"
        assert (tmp_path / f"{fd}").read_text() == "after\n"
        assert (tmp_path / f"{3 - fd}").read_text() == "other\n"

    def test_a_descriptor_above_2(self, tmp_path: Path) -> None:
        with (tmp_path / "file").open("wb", buffering=0) as file:
            with FdCapture(file.fileno()) as capture:
                file.write(b"captured\n")
            file.write(b"after\n")
        assert capture.captured.text == "captured\n"
        assert (tmp_path / "file").read_text() == "after\n"

    def test_encoding_and_errors_may_be_given_by_position(self) -> None:
        lines: list[Line] = []
        with FdCapture(1, lines.append, "latin-1", "strict"):
            os.write(1, b"caf\xe9\n")
        assert lines == ["caf\xe9"]

    def test_two_at_once_on_1_and_2(self) -> None:
        lines: dict[int, list[Line]] = {1: [], 2: []}
        out, err = FdCapture(1, lines[1].append), FdCapture(2, lines[2].append)
        out.start()
        err.start()
        for i in range(100):
            os.write(1, b"out %d\n" % i)
            os.write(2, b"err %d\n" % i)
        out.stop()
        os.write(2, b"last\n")
        err.stop()
        assert lines[1] == list(out.captured) == [f"out {i}" for i in range(100)]
        assert lines[2] == list(err.captured) == [*(f"err {i}" for i in range(100)), "last"]

    def test_start_and_stop_may_be_repeated(self, warm: None, no_leaks: None) -> None:
        capture = FdCapture(1)
        capture.stop()
        for i in range(3):
            capture.start()
            first = capture.captured
            capture.start()
            assert capture.captured is first
            os.write(1, b"%d" % i)
            capture.stop()
            capture.stop()
            assert capture.captured.text == str(i)
            first.close()

    def test_start_and_stop_from_many_threads(self, warm: None, no_leaks: None) -> None:
        capture = FdCapture(1, callback=len)
        target = fd_target(1)
        barrier = threading.Barrier(8)

        def work(number: int) -> None:
            barrier.wait(LIMIT_S)
            for _ in range(10):
                capture.start() if number % 2 else capture.stop()

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT_S)
            assert not thread.is_alive(), "a deadlock"
        capture.stop()
        assert fd_target(1) == target
        assert capture.real_fd is None
        capture.captured.close()

    def test_real_fd_leads_to_the_original_while_active(self, tmp_path: Path) -> None:
        with file_on(1, tmp_path / "1"):
            capture = FdCapture(1)
            assert capture.real_fd is None
            with capture:
                assert capture.real_fd is not None
                assert not os.get_inheritable(capture.real_fd)
                os.write(capture.real_fd, b"real\n")
                os.write(1, b"captured\n")
            assert capture.real_fd is None
        assert (tmp_path / "1").read_text() == "real\n"
        assert capture.captured.text == "captured\n"

    def test_python_goes_on_to_the_real_descriptor(self, tmp_path: Path) -> None:
        with file_on(1, tmp_path / "1"), stream_on("stdout", 1):
            with FdCapture(1) as capture:
                print("python")
                os.write(1, b"native\n")
            print("after")
        assert (tmp_path / "1").read_text() == "python\nafter\n"
        assert capture.captured.text == "native\n"

    def test_python_is_captured_too_if_wanted(self, tmp_path: Path) -> None:
        with file_on(1, tmp_path / "1"), stream_on("stdout", 1):
            with FdCapture(1, python=True) as capture:
                print("python")
                os.write(1, b"native\n")
            print("after")
        assert (tmp_path / "1").read_text() == "after\n"
        assert capture.captured.text == "python\nnative\n"

    def test_captured_is_not_there_before_the_start(self) -> None:
        with pytest.raises(RuntimeError, match="not started"):
            FdCapture(1).captured  # noqa: B018

    @pytest.mark.parametrize("fd", [-1, 9999, "1", 1.0, True, None, 1 << 70])
    def test_a_bad_descriptor_is_refused_at_once(self, fd: Any, warm: None, no_leaks: None) -> None:
        with pytest.raises(ValueError, match=r"descriptor|fd"):
            FdCapture(fd)

    @pytest.mark.parametrize(
        "options", [{"encoding": "utf-9"}, {"errors": "nonsense"}, {"callback": 3}]
    )
    def test_a_bad_option_is_refused_at_once(
        self, options: dict[str, Any], warm: None, no_leaks: None
    ) -> None:
        with pytest.raises(ValueError, match=r"utf-9|nonsense|callback"):
            FdCapture(1, **options)

    def test_a_descriptor_that_is_closed_before_the_start(self, warm: None, no_leaks: None) -> None:
        # What the capture opens for itself must not take that number and be captured.
        fd = os.open(os.devnull, os.O_WRONLY)
        captures = [FdCapture(fd), capture_fd(fds=[fd])]
        os.close(fd)
        for capture in captures:
            with pytest.raises(CaptureError, match="cannot capture"):
                capture.start()

    def test_pause_lets_output_through_and_resume_goes_on(self, tmp_path: Path) -> None:
        with file_on(1, tmp_path / "1"):
            with FdCapture(1) as capture:
                os.write(1, b"one\n")
                capture.pause()
                capture.pause()
                os.write(1, b"through\n")
                capture.resume()
                capture.resume()
                os.write(1, b"two\n")
                capture.pause()
                os.write(1, b"through again\n")
            os.write(1, b"after\n")
            capture.pause()
            capture.resume()
            os.write(1, b"at last\n")
        assert capture.captured.text == "one\ntwo\n"
        assert (tmp_path / "1").read_text() == "through\nthrough again\nafter\nat last\n"


class TestCallback:
    def test_it_gets_each_line_and_at_the_stop_the_unfinished_one(self) -> None:
        lines: list[Line] = []
        with FdCapture(1, lines.append):
            os.write(1, b"whole\nhal")
            eventually(lambda: lines == ["whole"], "the first line")
            os.write(1, b"f\n\r\nunfinished")
        assert lines == ["whole", "half", "", "unfinished"]

    def test_characters_in_pieces_and_bytes_that_are_no_text(self) -> None:
        lines: list[Line] = []
        with FdCapture(1, lines.append, encoding="utf-8", errors="backslashreplace"):
            for byte in "€\n".encode():
                os.write(1, bytes([byte]))
            os.write(1, b"\xff\n")
        assert lines == ["€", "\\xff"]

    def test_it_has_had_everything_when_stop_returns(self) -> None:
        lines: list[Line] = []
        with FdCapture(1, lines.append):
            os.write(1, b"x\n" * 20_000)
        assert len(lines) == 20_000

    def test_it_is_never_called_after_stop_returns(self) -> None:
        calls: list[str] = []
        entered, release = threading.Event(), threading.Event()

        def block(line: str) -> None:
            calls.append(line)
            entered.set()
            release.wait(LIMIT_S)

        capture = FdCapture(1, block).start()
        os.write(1, b"one\ntwo\nthree\n")
        assert entered.wait(LIMIT_S)
        with pytest.warns(RuntimeWarning, match="callback"):
            capture.stop(timeout=0.05)
        before = len(calls)
        threads = find_callback_threads()
        release.set()
        for thread in threads:
            thread.join(LIMIT_S)
        assert len(calls) == before == 1
        assert capture.captured.text == "one\ntwo\nthree\n"

    def test_a_child_that_lives_on_does_not_call_it_after_the_stop(self) -> None:
        lines: list[Line] = []
        capture = FdCapture(1, lines.append).start()
        with subprocess.Popen(["sh", "-c", "echo early; cat"], stdin=subprocess.PIPE) as child:
            eventually(lambda: lines == ["early"], "the first line")
            callback_threads = find_callback_threads()
            assert callback_threads
            capture.stop()
            assert child.stdin is not None
            child.stdin.write(b"late\n")
            child.stdin.close()
            child.wait(LIMIT_S)
        assert capture.captured.wait(LIMIT_S)
        assert capture.captured.text == "early\nlate\n"
        for thread in callback_threads:
            thread.join(LIMIT_S)
            assert not thread.is_alive()
        assert lines == ["early"]

    def test_an_exception_in_it_is_reported_and_ends_nothing(self) -> None:
        lines: list[Line] = []

        def fail(line: Line) -> None:
            lines.append(line)
            raise ZeroDivisionError("in the callback")

        capture = FdCapture(1, fail).start()
        os.write(1, b"one\ntwo\n")
        with pytest.warns(RuntimeWarning, match="ZeroDivisionError: in the callback"):
            capture.stop()
        assert lines == ["one", "two"]
        assert capture.captured.text == "one\ntwo\n"

    def test_it_may_write_to_the_real_descriptor(self, tmp_path: Path) -> None:
        with file_on(1, tmp_path / "1"):
            capture = FdCapture(1, lambda line: os.write(capture.real_fd, line.upper().encode()))
            with capture:
                os.write(1, b"shout\n")
        assert (tmp_path / "1").read_text() == "SHOUT"

    @pytest.mark.parametrize("python", [True, False])
    def test_what_it_prints_is_not_captured(self, tmp_path: Path, python: bool) -> None:
        lines: list[Line] = []

        def tell(line: Line) -> None:
            lines.append(line)
            print("told:", line, flush=True)

        with (
            file_on(1, tmp_path / "1"),
            stream_on("stdout", 1),
            FdCapture(1, tell, python=python) as capture,
        ):
            os.write(1, b"one\ntwo\n")
        assert lines == ["one", "two"]
        assert capture.captured.text == "one\ntwo\n"
        assert (tmp_path / "1").read_text() == "told: one\ntold: two\n"

    def test_it_may_stop_the_capture(self, warm: None) -> None:
        stopped = threading.Event()

        def stop(line: Line) -> None:
            capture.stop()
            stopped.set()

        capture = FdCapture(1, stop).start()
        os.write(1, b"enough\n")
        assert stopped.wait(LIMIT_S)
        assert capture.real_fd is None
        assert capture.captured.text == "enough\n"


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def told(self) -> list[tuple[str, str, str]]:
        return sorted(
            (str(vars(record)["source"]), record.levelname, record.getMessage())
            for record in self.records
        )


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.native")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger
    logger.handlers.clear()


class TestLogging:
    def test_a_logger_as_live_target(self, logger: logging.Logger) -> None:
        handler = _Records()
        logger.addHandler(handler)
        with capture_fd(live=logger) as logs:
            os.write(1, b"fine 100%s\n")
            os.write(2, b"not so fine\nunfinished")
        assert handler.told == [
            ("stderr", "WARNING", "not so fine"),
            ("stderr", "WARNING", "unfinished"),
            ("stdout", "INFO", "fine 100%s"),
        ]
        assert len(logs) == 3

    def test_a_whole_process_with_the_levels_that_lines_say(self, logger: logging.Logger) -> None:
        handler = _Records()
        logger.addHandler(handler)
        forwarding = forward_to_logging(logger)
        os.write(1, b"ERROR:root:broken\nhello\n")
        os.write(2, b"DEBUG:root:detail\nINFO:root:fact\n")
        subprocess.run(["echo", "CRITICAL:root:from a child"], check=True)
        forwarding.stop()
        os.write(1, b"after\n")
        assert handler.told == [
            ("stderr", "DEBUG", "DEBUG:root:detail"),
            ("stderr", "INFO", "INFO:root:fact"),
            ("stdout", "CRITICAL", "CRITICAL:root:from a child"),
            ("stdout", "ERROR", "ERROR:root:broken"),
            ("stdout", "INFO", "hello"),
        ]

    def test_without_levels_the_stream_says_it_all(self, logger: logging.Logger) -> None:
        handler = _Records()
        logger.addHandler(handler)
        with forward_to_logging(logger, levels=False):
            os.write(1, b"ERROR:root:broken\n")
        assert handler.told == [("stdout", "INFO", "ERROR:root:broken")]

    def test_python_output_is_left_alone_unless_wanted(
        self, logger: logging.Logger, tmp_path: Path
    ) -> None:
        handler = _Records()
        logger.addHandler(handler)
        with file_on(1, tmp_path / "1"), stream_on("stdout", 1):
            with forward_to_logging(logger):
                print("python")
            with forward_to_logging(logger, python=True):
                print("wanted")
        assert [record.getMessage() for record in handler.records] == ["wanted"]
        assert (tmp_path / "1").read_text() == "python\n"

    @pytest.mark.parametrize("python", [True, False])
    @pytest.mark.parametrize("made", ["before", "during"])
    def test_a_handler_that_writes_to_the_captured_stream_does_not_loop(
        self, logger: logging.Logger, tmp_path: Path, made: str, python: bool
    ) -> None:
        with file_on(2, tmp_path / "2"), stream_on("stderr", 2):
            if made == "before":
                logger.addHandler(logging.StreamHandler())
            with forward_to_logging(logger, python=python) as logs:
                if made == "during":
                    logger.addHandler(logging.StreamHandler())
                os.write(2, b"once\n")
                os.write(1, b"only\n")
        assert sorted((tmp_path / "2").read_text().split()) == ["once", "only"]
        assert sorted(logs) == ["once", "only"]

    def test_a_handler_that_fails_ends_nothing(self, logger: logging.Logger) -> None:
        class Broken(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                raise OSError("disk full")

        logger.addHandler(Broken())
        with (
            pytest.warns(RuntimeWarning, match="disk full"),
            capture_fd(live=logger) as logs,
        ):
            os.write(1, b"one\ntwo\n")
        assert logs.text == "one\ntwo\n"


class TestOtherDescriptors:
    def test_they_are_sources_of_their_own(self, tmp_path: Path) -> None:
        files = [(tmp_path / name).open("wb", buffering=0) for name in "ab"]
        fds = [file.fileno() for file in files]
        with capture_fd(fds=fds) as logs:
            for file in files:
                file.write(f"{Path(file.name).name}\n".encode())
            os.write(1, b"stdout\n")
        for file in files:
            file.write(b"after\n")
            file.close()
        for fd, name in zip(fds, "ab", strict=True):
            assert logs.source(f"fd {fd}").text == f"{name}\n"
            assert (tmp_path / name).read_text() == "after\n"
        assert logs.stdout == "stdout\n"

    def test_alone(self, tmp_path: Path) -> None:
        with (
            (tmp_path / "a").open("wb", buffering=0) as file,
            capture_fd(stdout=False, stderr=False, fds=[file.fileno()]) as logs,
        ):
            file.write(b"x\n")
        assert logs.text == "x\n"

    @pytest.mark.parametrize(
        ("fds", "message"),
        [
            ([9999], "9999 is not open"),
            ([0], "not 0"),
            ([1], "not 1"),
            ([-1], "not -1"),
            (["3"], "not '3'"),
        ],
    )
    def test_what_cannot_be_captured_is_refused(
        self, fds: list[Any], message: str, warm: None, no_leaks: None
    ) -> None:
        with pytest.raises(ValueError, match=message):
            capture_fd(fds=fds)

    def test_one_given_twice_is_refused(self, tmp_path: Path) -> None:
        with (tmp_path / "a").open("wb") as file, pytest.raises(ValueError, match="twice"):
            capture_fd(fds=[file.fileno()] * 2)

    def test_one_that_the_user_closes_meanwhile_stays_closed(self) -> None:
        fd = os.open(os.devnull, os.O_WRONLY)
        with capture_fd(fds=[fd]) as logs:
            os.write(fd, b"x\n")
            os.close(fd)
        assert logs.source(f"fd {fd}").text == "x\n"
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)

    def test_one_that_the_user_gave_another_file_meanwhile(self, tmp_path: Path) -> None:
        fd = os.open(os.devnull, os.O_WRONLY)
        with capture_fd(fds=[fd]) as logs:
            os.write(fd, b"x\n")
            os.close(fd)
            other = os.open(tmp_path / "other", os.O_WRONLY | os.O_CREAT)
            assert other == fd  # the system gives the lowest free number
            os.write(other, b"other\n")
        os.write(other, b"after\n")
        os.close(other)
        assert logs.text == "x\n"
        assert (tmp_path / "other").read_text() == "other\nafter\n"

    def test_inheritance_is_as_it_was(self, tmp_path: Path) -> None:
        for inheritable in (True, False):
            fd = os.open(tmp_path / "a", os.O_WRONLY | os.O_CREAT)
            os.set_inheritable(fd, inheritable)
            with capture_fd(fds=[fd]):
                assert os.get_inheritable(fd) is inheritable
            assert os.get_inheritable(fd) is inheritable
            os.close(fd)
