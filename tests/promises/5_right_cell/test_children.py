"""Labelled child programs."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from helpers.leaks import open_fds
from helpers.process import check_python, is_gone, the_pump
from helpers.wait import LIMIT_S, eventually

from ipyfdcapture import CaptureError, Line, capture_fd
from ipyfdcapture.capture.children import child as child_module
from ipyfdcapture.capture.children.child import Child, attach, popen
from ipyfdcapture.capture.children.group import (
    _Group,
    _room_for_children,
    run_all,
    run_all_async,
)
from ipyfdcapture.live.callback import LineTarget
from ipyfdcapture.output.runtimes import loaded as runtimes
from ipyfdcapture.recording import spool
from ipyfdcapture.recording.recording import Recording

#: Ends when its stdin does, having said that it is there.
WAITING = ["sh", "-c", "echo ready; echo ready >&2; cat"]
BOTH_6000 = "import sys\nfor i in range(6000):\n print(i, file=sys.stderr)\n print(i)"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def shell(code: str) -> list[str]:
    return ["sh", "-c", code]


@contextlib.contextmanager
def waiting_child(**options: Any) -> Iterator[Child]:
    """A child that runs until the block ends."""
    with popen(WAITING, stdin=subprocess.PIPE, **options) as child:
        eventually(lambda: child.captured.text.count("ready") == 2, "the child's first words")
        yield child
        child.stdin.close()


@pytest.fixture
def warm() -> None:
    """What the process makes once, at first use, is there."""
    spool.directory()
    with capture_fd():
        pass


class TestPopen:
    def test_each_stream_has_its_source_under_the_label(self) -> None:
        with capture_fd() as logs:
            child = popen(shell("echo out; echo err >&2"), label="solver")
            assert child.wait(LIMIT_S) == 0
            print("mine")
        assert logs.source("solver/stdout").text == "out\n"
        assert logs.source("solver/stderr").text == "err\n"
        assert sorted(logs.source("solver")) == ["err", "out"]
        assert (logs.stdout, logs.stderr) == ("mine\n", "")

    def test_it_is_a_popen(self) -> None:
        with popen(shell("read line; echo got $line; exit 3"), stdin=subprocess.PIPE) as child:
            assert isinstance(child, subprocess.Popen)
            assert (child.stdout, child.stderr) == (None, None)
            child.communicate(b"this\n", timeout=LIMIT_S)
        assert child.returncode == 3
        assert child.captured.text == "got this\n"

    def test_without_a_capture_it_has_a_log_of_its_own(self) -> None:
        with waiting_child(label="alone") as child:
            assert not child.captured.complete
            assert not child.captured.wait(0)
        assert child.captured.complete
        assert child.captured.wait(0)
        assert child.captured.source("alone/stderr").text == "ready\n"
        assert child.captured.duration > 0

    def test_a_log_that_is_held_knows_that_the_child_has_ended(self) -> None:
        with waiting_child() as child:
            logs = child.captured
        assert logs.complete
        child = popen(["true"])
        eventually(lambda: child.captured.complete, "the end")  # nobody waits for it
        assert child.returncode == 0

    def test_in_a_capture_its_own_lines_are_told_apart(self) -> None:
        with capture_fd() as logs:
            first = popen(shell("echo first"))
            second = popen(shell("echo second"))
            first.wait(LIMIT_S)
            second.wait(LIMIT_S)
            print("mine")
        assert (first.captured.text, second.captured.text) == ("first\n", "second\n")
        assert sorted(logs) == ["first", "mine", "second"]

    def test_the_innermost_capture_gets_it(self) -> None:
        with capture_fd() as outer:
            with capture_fd() as inner:
                popen(shell("echo x"), label="a").wait(LIMIT_S)
            popen(shell("echo y"), label="a").wait(LIMIT_S)
        assert inner.text == "x\n"
        assert outer.text == "y\n"

    def test_a_capture_whose_log_is_closed_gets_nothing(self) -> None:
        with capture_fd() as logs:
            logs.close()
            child = popen(shell("echo x"))
            child.wait(LIMIT_S)
        assert child.captured.text == "x\n"

    def test_the_default_label_is_the_programs_name_with_a_number_if_need_be(self) -> None:
        with capture_fd() as logs:
            commands = (["/bin/sh", "-c", ":"], ["sh", "-c", ":"], [Path("/bin/true")])
            children = [popen(args) for args in commands]
            children.append(popen("exec sh -c :", shell=True))
            for child in children:
                child.wait(LIMIT_S)
        labels = [child.label for child in children]
        assert labels == ["sh", "sh-2", "true", "exec"]
        assert logs.recording.sources[-2:] == ("exec/stdout", "exec/stderr")

    @pytest.mark.parametrize(
        ("name", "label"), [("stdout", "stdout-2"), ("a\nb", "child"), ("a b", "a b")]
    )
    def test_programs_with_awkward_names(self, tmp_path: Path, name: str, label: str) -> None:
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho x\n")
        program.chmod(0o700)
        child = popen([program])
        child.wait(LIMIT_S)
        assert child.label == label
        assert child.captured.source(label).text == "x\n"

    def test_a_label_given_twice_finds_the_lines_of_both(self) -> None:
        with capture_fd() as logs:
            children = [popen(shell(f"echo {i}"), label="a/b") for i in range(2)]
            for child in children:
                child.wait(LIMIT_S)
        assert sorted(logs.source("a/b")) == sorted(logs.source("a")) == ["0", "1"]
        assert [child.captured.text for child in children] == ["0\n", "1\n"]

    @pytest.mark.parametrize("label", ["", "/", "stdout", "stderr/x", "a\nb", "\x1b[31m", 3])
    def test_a_label_that_cannot_name_a_source_is_refused(self, label: Any) -> None:
        with pytest.raises(ValueError, match="label"):
            popen(["true"], label=label)

    def test_pipe_is_refused_and_nothing_starts(self) -> None:
        with pytest.raises(ValueError, match="PIPE"):
            popen(["true"], stdout=subprocess.PIPE)
        with pytest.raises(ValueError, match="PIPE"):
            run_all([["true"]], stderr=subprocess.PIPE)

    def test_stderr_into_stdout_is_in_exact_order(self) -> None:
        code = "for i in $(seq 500); do echo $i; echo $i >&2; done"
        child = popen(shell(code), label="a", stderr=subprocess.STDOUT)
        child.wait(LIMIT_S)
        assert list(child.captured) == [str(i) for i in range(1, 501) for _ in "oe"]
        assert child.captured.recording.sources == ("a/stdout",)

    def test_a_stream_that_goes_elsewhere_is_left_alone(self, tmp_path: Path) -> None:
        with (tmp_path / "err").open("wb") as err:
            child = popen(shell("echo out; echo err >&2"), label="a", stderr=err)
            child.wait(LIMIT_S)
        assert child.captured.text == "out\n"
        assert (tmp_path / "err").read_text() == "err\n"

    def test_a_program_that_cannot_start_leaves_nothing(self, warm: None, no_leaks: None) -> None:
        with pytest.raises(FileNotFoundError):
            popen(["/does/not/exist"])
        with capture_fd() as logs, pytest.raises(FileNotFoundError):
            popen(["/does/not/exist"])
        assert logs.recording.sources == ("stdout", "stderr")
        logs.close()

    def test_a_log_that_cannot_be_made_starts_nothing(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        def fail(*_: object) -> None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        monkeypatch.setattr("ipyfdcapture.recording.recording.Recording.create", fail)
        with pytest.raises(CaptureError, match="ulimit -n"):
            popen(["touch", tmp_path / "started"])
        assert not list(tmp_path.iterdir())

    def test_an_interrupt_at_its_start_comes_when_its_pipes_are_in_hand(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started: list[Child] = []

        class InterruptedChild(Child):
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **options)
                started.append(self)
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(child_module, "Child", InterruptedChild)
        with capture_fd() as logs:
            with pytest.raises(KeyboardInterrupt):
                popen(shell("echo x"), label="a")
            assert started[0].wait(LIMIT_S) == 0
        assert logs.source("a").text == "x\n"
        logs.close()

    def test_nothing_is_left_behind(self, warm: None, no_leaks: None) -> None:
        lines: list[Line] = []
        child = popen(shell("echo x"), on_line=lines.append)
        child.wait(LIMIT_S)
        assert child.captured.complete
        child.captured.close()
        with capture_fd() as logs:
            popen(shell("echo x"), on_line=lines.append).wait(LIMIT_S)
        logs.close()
        outcome = run_all([shell("echo x")] * 3, on_line=lines.append)
        outcome.captured.close()
        asyncio.run(run_all_async([["true"]])).captured.close()

    def test_a_child_and_log_that_are_dropped_take_their_files_along(
        self, warm: None, no_leaks: None
    ) -> None:
        for on_line in (None, len):
            popen(shell("echo x"), on_line=on_line).wait(LIMIT_S)

    def test_the_sources_are_on_disk_for_whoever_recovers_the_log(self) -> None:
        with capture_fd() as logs, waiting_child(label="a"):
            recovered = Recording.open(logs.recording.path)
            recovered.keep_files()
        assert recovered.sources == ("stdout", "stderr", "a/stdout", "a/stderr")


class TestNothingIsLost:
    def test_what_it_wrote_before_it_was_killed_is_all_there(self) -> None:
        size = 100_000
        code = f"import os\nos.write(1, b'x' * {size})\nos.kill(os.getpid(), {signal.SIGKILL:d})"
        child = popen(python(code))
        assert child.wait(LIMIT_S) == -signal.SIGKILL
        assert child.captured.raw == b"x" * size

    def test_a_child_that_outlives_the_capture_is_recorded_on(self) -> None:
        with contextlib.ExitStack() as stack:
            with capture_fd() as logs:
                child = stack.enter_context(waiting_child(label="late"))
            assert not logs.complete
            child.stdin.write(b"after\n")
        assert logs.wait(LIMIT_S)
        assert logs.source("late/stdout").text == "ready\nafter\n"

    def test_two_children_that_fill_both_pipes(self) -> None:
        """The classic deadlock."""
        outcome = run_all({"a": python(BOTH_6000), "b": python(BOTH_6000)})
        expected = [str(i) for i in range(6000)]
        for source in ("a/stdout", "a/stderr", "b/stdout", "b/stderr"):
            assert list(outcome.captured.source(source)) == expected
        assert len(outcome.captured) == 24_000

    def test_200_children_at_once_without_a_thread_for_each(self, warm: None) -> None:
        threads = threading.active_count()
        children = []
        with capture_fd() as logs:
            started = threading.active_count()
            for i in range(200):
                code = f"read line; for j in $(seq 20); do echo {i} $j; echo {i} $j >&2; done"
                children.append(popen(shell(code), label=f"c{i}", stdin=subprocess.PIPE))
            assert threading.active_count() <= started <= threads + 1
            for child in children:
                child.stdin.close()
            for child in children:
                assert child.wait(LIMIT_S) == 0
        for i in range(200):
            for name in ("stdout", "stderr"):
                expected = [f"{i} {j}" for j in range(1, 21)]
                assert list(logs.source(f"c{i}/{name}")) == expected
        logs.close()

    @pytest.mark.parametrize("drain", ["process", "thread"])
    def test_volume(self, drain: str) -> None:
        code = "head -c 20000000 /dev/zero; head -c 20000000 /dev/zero >&2"
        with capture_fd(drain=drain) as logs:
            outcome = run_all([shell(code)] * 4)
        assert outcome.captured.recording is logs.recording
        assert logs.nbytes == 4 * 40_000_000
        logs.close()

    @pytest.mark.filterwarnings("ignore:the ipyfdcapture helper process was killed")
    def test_a_helper_that_is_killed_loses_nothing(self) -> None:
        with capture_fd() as logs:
            code = f"import sys\nsys.stdin.read(1)\n{BOTH_6000}"
            child = popen(python(code), label="a", stdin=subprocess.PIPE)
            the_pump(os.getpid()).kill()
            child.stdin.close()
            assert child.wait(LIMIT_S) == 0
            late = popen(shell("echo late"), label="late")
            late.wait(LIMIT_S)
        expected = [str(i) for i in range(6000)]
        assert list(logs.source("a/stdout")) == list(logs.source("a/stderr")) == expected
        assert logs.source("late").text == "late\n"


class TestOnLine:
    def test_in_a_capture_it_has_had_every_line_at_the_end(self) -> None:
        lines: list[Line] = []
        others: list[Line] = []
        with capture_fd():
            child = popen(
                shell("echo a; echo b >&2; printf unfinished"), label="x", on_line=lines.append
            )
            other = popen(shell("echo other"), on_line=others.append)
            child.wait(LIMIT_S)
            other.wait(LIMIT_S)
            print("mine")
        assert sorted(lines) == ["a", "b", "unfinished"]
        assert others == ["other"]
        assert {line.source for line in lines} == {"x/stdout", "x/stderr"}

    def test_begun_just_as_the_capture_ends_it_gets_the_lines_and_leaves_nothing(self) -> None:
        lines: list[Line] = []
        capture = capture_fd()
        with capture:
            os.write(1, b"a\nb\n")
        follower = capture._session.follow("on_line", LineTarget(lines.append))
        assert lines == ["a", "b"]
        assert runtimes._ties.users == 0
        assert not follower._thread.is_alive()

    def test_alone_it_gets_each_line_as_it_comes(self) -> None:
        lines: list[Line] = []
        with waiting_child(on_line=lines.append) as child:
            eventually(lambda: len(lines) == 2, "the first lines")
            child.stdin.write(b"more\nunfinished")
        eventually(lambda: lines[2:] == ["more", "unfinished"], "the last lines")

    def test_run_all_has_given_every_line_when_it_returns(self) -> None:
        lines: list[Line] = []
        run_all({f"c{i}": shell("seq 100; printf end") for i in range(10)}, on_line=lines.append)
        for i in range(10):
            mine = [line for line in lines if line.source == f"c{i}/stdout"]
            assert mine == [*map(str, range(1, 101)), "end"]

    def test_run_all_in_a_capture_has_given_every_line_when_it_returns(self) -> None:
        lines: list[Line] = []
        with capture_fd():
            run_all([shell("seq 100")], on_line=lines.append)
            seen = len(lines)
        assert seen == 100

    def test_an_exception_in_it_is_reported_and_stops_nothing(self) -> None:
        lines: list[Line] = []

        def fail_at_first(line: Line) -> None:
            lines.append(line)
            if len(lines) == 1:
                raise ZeroDivisionError("in the callback")

        with pytest.warns(RuntimeWarning, match="ZeroDivisionError: in the callback"):
            outcome = run_all([shell("seq 3")], on_line=fail_at_first)
        assert lines == ["1", "2", "3"]
        assert outcome.captured.text == "1\n2\n3\n"


class TestAttach:
    def test_a_process_with_pipes_goes_to_the_capture(self) -> None:
        with capture_fd() as logs:
            process = subprocess.Popen(
                shell("echo out; echo err >&2"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            assert attach(process, "old") is logs
            assert process.communicate(timeout=LIMIT_S) == (None, None)
        assert logs.source("old/stdout").text == "out\n"
        assert logs.source("old/stderr").text == "err\n"

    def test_without_a_capture_it_has_a_log_of_its_own(self) -> None:
        lines: list[Line] = []
        process = subprocess.Popen(shell("echo out"), stdout=subprocess.PIPE, text=True)
        logs = attach(process, "old", on_line=lines.append)
        process.wait(LIMIT_S)
        assert logs.wait(LIMIT_S)
        assert logs.text == "out\n"
        assert logs.recording.sources == ("old/stdout",)
        eventually(lambda: lines == ["out"], "the line")

    def test_a_process_without_pipes_is_refused(self) -> None:
        with subprocess.Popen(["true"]) as process, pytest.raises(ValueError, match="no pipes"):
            attach(process, "x")

    def test_a_bad_label_leaves_the_process_alone(self) -> None:
        with subprocess.Popen(["true"], stdout=subprocess.PIPE) as process:
            with pytest.raises(ValueError, match="label"):
                attach(process, "")
            assert process.stdout is not None


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs prlimit(2)")
class TestAHelperOutOfDescriptors:
    """It has as few more as a limit of the machine's, or other captures, may leave it."""

    @pytest.fixture
    def few(self, tmp_path: Path) -> Callable[[str], str]:
        prelude = """
            import os, resource, subprocess, sys
            from helpers.process import the_pump
            from ipyfdcapture import attach, capture_fd, popen
            from ipyfdcapture.recording import spool
            from ipyfdcapture.drain.choosing import get_drain
            PIPES = ("stdin", "stdout", "stderr")
            WAITING = ["sh", "-c", "read word; echo $word"]
            get_drain("process")
            spool.directory()
            pump = the_pump(os.getpid())
            limit = pump.num_fds() + 40
            resource.prlimit(pump.pid, resource.RLIMIT_NOFILE, (limit, limit))
            def is_refused(error):
                return "could not take over" in str(error)
        """

        def run(code: str) -> str:
            code = textwrap.dedent(prelude) + textwrap.dedent(code)
            return check_python(code, directory=tmp_path / "python")

        return run

    def test_a_child_that_it_cannot_empty_is_refused(self, few: Callable[[str], str]) -> None:
        shown = few("""
            before = len(os.listdir("/dev/fd"))
            children = []
            with capture_fd() as logs:
                try:
                    while len(children) < 40:
                        children.append(popen(WAITING, stdin=subprocess.PIPE))
                except OSError as error:
                    assert is_refused(error), error
                for child in children:
                    child.communicate(b"there\\n")
            print(5 < len(children) < 20, logs.text == "there\\n" * len(children), logs.complete)
            print(len(os.listdir("/dev/fd")) - before)
        """)
        assert shown == "True True True\n0\n"

    def test_an_attached_process_keeps_its_pipes(self, few: Callable[[str], str]) -> None:
        shown = few("""
            children = []
            with capture_fd() as logs:
                while len(children) < 40:
                    child = subprocess.Popen(WAITING, **dict.fromkeys(PIPES, subprocess.PIPE))
                    children.append(child)
                    try:
                        attach(child, f"child-{len(children)}")
                    except OSError as error:
                        assert is_refused(error), error
                        break
                out = [child.communicate(b"there\\n")[0] for child in children]
            print(5 < len(children) < 20, out == [None] * (len(out) - 1) + [b"there\\n"])
            print(logs.text == "there\\n" * (len(out) - 1))
        """)
        assert shown == "True True\nTrue\n"


class TestRunAll:
    def test_results_come_in_the_order_of_the_commands(self, tmp_path: Path) -> None:
        # Each ends after the next one.
        (tmp_path / "5").touch()
        commands = [
            shell(f"until [ -e {i + 1} ]; do :; done; echo {i}; touch {i}; exit {i}")
            for i in range(5)
        ]
        results, logs = run_all(commands, cwd=tmp_path)
        assert [result.returncode for result in results] == list(range(5))
        assert [result.label for result in results] == ["sh", "sh-2", "sh-3", "sh-4", "sh-5"]
        assert [logs.source(result.label).text for result in results] == [
            f"{i}\n" for i in range(5)
        ]
        assert logs.complete
        assert all(result.duration > 0 for result in results)

    def test_a_program_that_cannot_start_does_not_stop_the_others(self) -> None:
        results, logs = run_all({"bad": ["/does/not/exist"], "good": shell("echo good")})
        assert isinstance(results[0].error, FileNotFoundError)
        assert results[0].returncode is None
        assert (results[1].error, results[1].returncode) == (None, 0)
        assert logs.text == "good\n"

    def test_none_at_all(self) -> None:
        results, logs = run_all([])
        assert (results, logs.text, logs.complete) == ([], "", True)

    def test_in_a_capture_it_returns_what_its_children_wrote(self) -> None:
        with capture_fd() as logs:
            print("before", flush=True)
            captured = run_all({"a": shell("echo a"), "b": shell("echo b")}).captured
            print("after")
        assert sorted(captured) == ["a", "b"]
        assert sorted(logs) == ["a", "after", "b", "before"]

    def test_no_more_than_max_parallel_run_at_a_time(self, tmp_path: Path) -> None:
        # Each waits until a second one is there, so two do run at a time.
        code = (
            f"cd {tmp_path}; echo start >> log; touch $$; "
            "while [ $(ls | wc -l) -lt 3 ]; do :; done; echo end >> log"
        )
        run_all([shell(code)] * 9, max_parallel=2)
        running = highest = 0
        for word in (tmp_path / "log").read_text().split():
            running += 1 if word == "start" else -1
            highest = max(highest, running)
        assert highest == 2

    @pytest.mark.parametrize("limit", [0, -1, "2", 1.5])
    def test_an_unreadable_limit_is_refused(self, limit: Any) -> None:
        with pytest.raises(ValueError, match="max_parallel"):
            run_all([["true"]], max_parallel=limit)

    def test_pipes_of_children_that_ended_are_let_go(
        self, warm: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened: list[int] = []
        wait = _Group.wait_for_an_end

        def counting_wait(group: _Group) -> None:
            opened.append(len(open_fds()))
            wait(group)

        monkeypatch.setattr(_Group, "wait_for_an_end", counting_wait)
        with capture_fd() as logs:
            run_all([shell("echo x")] * 30, max_parallel=1)
        # Without a pidfd it is looked now and then whether a child has ended.
        assert len(opened) == 30 or (len(opened) > 30 and not hasattr(os, "pidfd_open"))
        assert max(opened) <= opened[0] + 4
        logs.close()

    def test_descriptors_bound_how_many_run_at_a_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def room(soft: int) -> int:
            monkeypatch.setattr("resource.getrlimit", lambda _: (soft, soft))
            return _room_for_children()

        assert room(1024) == 224
        assert room(64) == 1
        assert room(resource.RLIM_INFINITY) > 10_000

    def test_an_interrupt_kills_what_runs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pids: list[int] = []

        def interrupt(group: Any) -> None:
            pids.extend(running.child.pid for running in group._running.values())
            raise KeyboardInterrupt

        monkeypatch.setattr("ipyfdcapture.capture.children.group._Group.wait_for_an_end", interrupt)
        fds = len(open_fds())
        with pytest.raises(KeyboardInterrupt):
            run_all([["sleep", "1000"]] * 3, max_parallel=2)
        assert len(pids) == 2
        assert not any(psutil.pid_exists(pid) for pid in pids)
        assert len(open_fds()) <= fds + 1  # the spool's lock

    def test_one_that_may_not_be_killed_spares_no_other(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started: list[Child] = []

        def interrupt(group: Any) -> None:
            started.extend(running.child for running in group._running.values())
            raise KeyboardInterrupt

        def kill(child: Child) -> None:
            if child is started[0]:
                raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
            usual(child)

        usual = Child.kill
        monkeypatch.setattr("ipyfdcapture.capture.children.group._Group.wait_for_an_end", interrupt)
        monkeypatch.setattr(Child, "kill", kill)
        with pytest.raises(KeyboardInterrupt):
            run_all([["sleep", "1000"]] * 3, max_parallel=3)
        assert [child.returncode for child in started] == [None, -signal.SIGKILL, -signal.SIGKILL]
        usual(started[0])
        started[0].wait()

    @pytest.mark.parametrize("how", ["missing", "forbidden"])
    def test_a_system_that_cannot_tell_when_children_end(
        self, monkeypatch: pytest.MonkeyPatch, how: str
    ) -> None:
        def forbid(pid: int) -> int:
            raise PermissionError(1, "not in this sandbox")

        if how == "missing":
            monkeypatch.delattr(os, "pidfd_open", raising=False)
        else:
            monkeypatch.setattr(os, "pidfd_open", forbid, raising=False)
        assert run_all([shell("echo x")] * 3).captured.text == "x\n" * 3
        assert asyncio.run(run_all_async([shell("echo x")] * 3)).captured.text == "x\n" * 3


class TestAfterTheCapture:
    """A capture may end while somebody is about to start children in it."""

    def test_a_group_goes_on_in_the_capture_that_it_began_in(self, tmp_path: Path) -> None:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        first, outcomes = threading.Event(), []

        def run() -> None:
            outcomes.append(
                run_all(
                    {"first": shell(f"echo 1; cat {fifo}"), "second": shell("seq 20000")},
                    max_parallel=1,
                    on_line=lambda line: first.set(),
                )
            )

        with capture_fd() as logs:
            thread = threading.Thread(target=run)
            thread.start()
            assert first.wait(LIMIT_S)
        assert not logs.complete
        assert not logs.wait(0.01)
        fifo.write_text("go\n")
        thread.join(LIMIT_S)
        assert [result.returncode for result in outcomes[0].results] == [0, 0]
        assert logs.wait(LIMIT_S)
        assert logs.source("first").text == "1\ngo\n"
        assert len(logs.source("second")) == len(outcomes[0].captured.source("second")) == 20000

    def test_between_two_children_of_a_group_the_log_is_not_complete(self) -> None:
        """The first has ended, the second is yet to start, and somebody looks."""
        seen = []

        async def main() -> Any:
            with capture_fd() as logs:
                task = asyncio.create_task(
                    run_all_async({"a": shell("echo a"), "b": shell("seq 20000")}, max_parallel=1)
                )
                await asyncio.sleep(0)
            while not task.done():
                seen.append(logs.complete)
                await asyncio.sleep(0)
            await task
            return logs

        logs = asyncio.run(asyncio.wait_for(main(), LIMIT_S))
        assert logs.wait(LIMIT_S)
        assert (logs.source("a").text, len(logs.source("b"))) == ("a\n", 20000)
        assert True not in seen[:-1]

    def test_a_child_that_starts_as_a_capture_ends_is_in_that_or_on_its_own(self) -> None:
        logs, children, errors = [], [], []
        ended = threading.Event()

        def start() -> None:
            while not ended.is_set():
                try:
                    child = popen(shell("seq 1000"))
                    assert child.wait(LIMIT_S) == 0
                    children.append(child)
                except BaseException as error:
                    errors.append(error)

        thread = threading.Thread(target=start)
        thread.start()
        for _ in range(100):
            with capture_fd() as log:
                threading.Event().wait(0.001)
            logs.append(log)
        ended.set()
        thread.join(LIMIT_S)
        assert errors == []
        assert children
        assert all(len(child.captured.source(child.label)) == 1000 for child in children)
        assert all(log.wait(LIMIT_S) for log in logs)

    def test_a_group_that_nobody_awaits_any_more_lets_go(self) -> None:
        async def main() -> Any:
            with capture_fd() as logs:
                group = run_all_async([["sleep", "1000"]])
                group.send(None)
                assert not logs.complete
                group.close()
            return logs

        logs = asyncio.run(main())
        assert logs.wait(LIMIT_S)
        assert logs.complete


class TestRunAllAsync:
    def test_other_tasks_run_meanwhile(self, tmp_path: Path) -> None:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)

        async def release() -> None:
            await asyncio.sleep(0)
            fd = os.open(fifo, os.O_RDWR)  # does not block on Linux
            os.write(fd, b"go\n")
            fds.append(fd)

        async def main() -> Any:
            outcome, _ = await asyncio.gather(
                run_all_async({"a": shell(f"read word < {fifo}; echo $word")}), release()
            )
            return outcome

        fds: list[int] = []
        results, logs = asyncio.run(asyncio.wait_for(main(), LIMIT_S))
        os.close(fds[0])
        assert results[0].returncode == 0
        assert logs.text == "go\n"

    def test_many(self) -> None:
        outcome = asyncio.run(run_all_async([shell("seq 10")] * 50, max_parallel=20))
        assert len(outcome.captured) == 500
        assert [result.returncode for result in outcome.results] == [0] * 50

    def test_a_cancellation_kills_what_runs(self) -> None:
        pids: list[int] = []

        async def main() -> None:
            lines: asyncio.Queue[Line] = asyncio.Queue()
            loop = asyncio.get_running_loop()
            task = asyncio.create_task(
                run_all_async(
                    [shell("echo $$; exec sleep 1000")] * 2,
                    on_line=lambda line: loop.call_soon_threadsafe(lines.put_nowait, line),
                )
            )
            for _ in range(2):
                pids.append(int(await asyncio.wait_for(lines.get(), LIMIT_S)))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())
        assert len(pids) == 2
        assert all(is_gone(pid) for pid in pids)


class TestInAKernel:
    def test_live_shows_the_label_before_each_line(self, kernel: Any) -> None:
        reply = kernel.ok(
            "%%capture_fd --live -v logs\n"
            "from ipyfdcapture.capture.children.group import run_all\n"
            "results, _ = run_all({'one': ['echo', 'first'], 'two': ['echo', 'second']})\n"
        )
        shown = sorted(reply.stream("stdout").splitlines())
        assert shown[:2] == ["[one] first", "[two] second"]
        assert kernel.value("logs.source('one').text") == "first\n"
        assert kernel.value("[r.returncode for r in results]") == [0, 0]
