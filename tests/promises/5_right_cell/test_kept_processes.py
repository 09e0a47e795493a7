"""Processes kept from earlier captures: in their own log, and in that of the running one."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from helpers.fixtures import Rounds
from helpers.kept import Flood, KeptProcess, assert_contiguous
from helpers.leaks import open_fds
from helpers.process import await_end, the_pump
from helpers.wait import LIMIT_S, eventually

from ipyfdcapture import capture_fd
from ipyfdcapture.capture.children.child import popen
from ipyfdcapture.drain import taking_over

DRAINS = pytest.mark.parametrize("drain", ["process", "thread"])


@DRAINS
def test_what_a_kept_process_writes_is_in_both_logs(drain: str) -> None:
    with capture_fd(drain=drain) as first:
        kept = KeptProcess()
    with kept:
        kept.write("between")
        with capture_fd(drain=drain) as second:
            os.write(1, b"own\n")
            kept.write("out")
            kept.write("err", 2)
        kept.write("after")
    assert first.wait(LIMIT_S)
    assert first.stdout == "between\nout\nafter\n"
    assert first.stderr == "err\n"
    # Two pipes have no order between them.
    assert (sorted(second.stdout.split()), second.stderr) == (["out", "own"], "err\n")
    assert second.text.count("out\n") == 1
    sources = {str(line): line.source for line in second}
    assert sources["own"] == "stdout"
    assert [re.sub(r"\d+", "N", sources[line]) for line in ("out", "err")] == [
        "capture N/stdout",
        "capture N/stderr",
    ]
    assert list(second.source(sources["out"])) == ["out"]
    assert list(second.source("stdout")) == ["own"]
    assert second.complete


@DRAINS
def test_a_look_while_the_capture_runs_has_what_a_kept_process_wrote(drain: str) -> None:
    with capture_fd(drain=drain) as first:
        kept = KeptProcess()
    with kept, capture_fd(drain=drain) as second:
        for number in range(20):
            kept.write(str(number))
            assert len(second) == len(first) == number + 1


@DRAINS
def test_the_newest_running_capture_alone_gets_it(drain: str) -> None:
    with capture_fd(drain=drain) as first:
        kept = KeptProcess()
    with kept, capture_fd(drain=drain) as outer:
        kept.write("outer")
        with capture_fd(drain=drain) as inner:
            kept.write("inner")
        kept.write("outer again")
    assert outer.text == "outer\nouter again\n"
    assert inner.text == "inner\n"
    assert first.text == "outer\ninner\nouter again\n"


@DRAINS
def test_a_capture_that_ends_within_another_leaves_its_processes_to_that(drain: str) -> None:
    with capture_fd(drain=drain) as outer:
        with capture_fd(drain=drain) as inner:
            kept = KeptProcess()
            kept.write("in")
        with kept:
            kept.write("out")
    assert (inner.text, outer.text) == ("in\nout\n", "out\n")


@DRAINS
def test_captures_that_end_in_another_order_than_they_began(drain: str) -> None:
    with capture_fd(drain=drain) as first:
        kept = KeptProcess()
    captures = [capture_fd(drain=drain) for _ in range(3)]
    logs = [capture.start() for capture in captures]
    with kept:
        kept.write("a")
        captures[1].stop()
        kept.write("b")
        captures[2].stop()
        kept.write("c")
        captures[0].stop()
    assert [log.text for log in logs] == ["c\n", "", "a\nb\n"]
    assert first.text == "a\nb\nc\n"


@DRAINS
def test_a_stream_that_the_running_capture_does_not_have_is_not_in_its_log(drain: str) -> None:
    with capture_fd(drain=drain) as first:
        kept = KeptProcess()
    with kept:
        with capture_fd(stderr=False, drain=drain) as second:
            kept.write("out")
            kept.write("err", 2)
        with capture_fd(merge=True, drain=drain) as merged:
            kept.write("out")
            kept.write("err", 2)
    assert (second.stdout, second.stderr) == ("out\n", "")
    assert merged.text == "out\nerr\n"
    assert first.text == "out\nerr\nout\nerr\n"


@DRAINS
def test_a_merged_stream_goes_to_a_capture_of_either(drain: str) -> None:
    with capture_fd(merge=True, drain=drain) as first:
        kept = KeptProcess()
    with kept:
        with capture_fd(stdout=False, drain=drain) as second:
            kept.write("err", 2)
        with capture_fd(drain=drain) as third:
            kept.write("out")
    assert (second.text, third.stdout, first.stdout) == ("err\n", "out\n", "err\nout\n")


def test_a_process_whose_own_log_is_gone_is_recorded_by_the_capture_that_runs() -> None:
    # A cell that is run again takes the name of its log away from the first one.
    with capture_fd(drain="process"):
        kept = KeptProcess()
    gc.collect()
    with kept:
        for number in range(3):
            with capture_fd(drain="process") as logs:
                kept.write(str(number))
            assert logs.text == f"{number}\n"
            del logs
            gc.collect()
            kept.write("passed on")
    eventually(lambda: _sources_of_a_capture() == ("stdout", "stderr"), "its end to be seen")


def test_a_thread_that_takes_over_does_not_go_on_with_what_had_ended() -> None:
    with capture_fd(drain="process") as first:
        kept = KeptProcess()
    with kept:
        with capture_fd(drain="process") as second:
            other = KeptProcess()
            kept.write("amid")
        with other:
            helper = the_pump(os.getpid()).pid
            assert second.text == "amid\n"
            os.kill(helper, signal.SIGKILL)
            await_end(helper)
            kept.write("after")
            assert first.text == "amid\nafter\n"
    assert second.text == "amid\n"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_a_killed_helper_had_not_read_is_in_its_own_log_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There were no descriptors to take over with, until the outer capture was to have copies."""

    def no_descriptors_at_first(count: int) -> None:
        is_watcher = threading.get_ident() != threading.main_thread().ident
        refused.append(is_watcher)
        if is_watcher or refused.count(False) == 1:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        look(count)

    refused: list[bool] = []
    look = taking_over._check_that_there_are
    with capture_fd(drain="process") as outer:
        inner = capture_fd(drain="process")
        logs = inner.start()
        helper = the_pump(os.getpid())
        helper.suspend()
        os.write(1, b"inner\n")
        monkeypatch.setattr(taking_over, "_check_that_there_are", no_descriptors_at_first)
        helper.kill()
        await_end(helper.pid)
        inner.stop()
    assert logs.text == "inner\n"
    assert outer.text == ""


def test_what_was_to_be_passed_on_is_not_the_next_captures() -> None:
    """Not even if the helper finds it together with the request of that capture."""
    with capture_fd(drain="process"):
        kept = KeptProcess()
    gc.collect()
    helper = the_pump(os.getpid())
    with kept:
        helper.suspend()
        kept.write("passed on")
        threading.Timer(0.2, helper.resume).start()
        with capture_fd(drain="process") as logs:
            kept.write("recorded")
    assert logs.text == "recorded\n"


def _sources_of_a_capture() -> tuple[str, ...]:
    with capture_fd(drain="process") as logs:
        pass
    return logs.recording.sources


@DRAINS
def test_a_running_log_that_is_closed_takes_nothing_more(drain: str) -> None:
    with capture_fd(drain=drain) as first:
        kept = KeptProcess()
    with kept, capture_fd(drain=drain) as second:
        kept.write("in")
        second.close()
        kept.write("later")
    assert first.text == "in\nlater\n"


@DRAINS
def test_a_log_that_is_closed_while_a_later_one_runs(drain: str) -> None:
    with capture_fd(drain=drain) as first:
        kept = KeptProcess()
    with kept, capture_fd(drain=drain) as second:
        kept.write("one")
        first.close()
        kept.write("two")
    assert second.text == "one\ntwo\n"


@DRAINS
def test_limits_hold_for_each_log_by_itself(drain: str) -> None:
    with capture_fd(drain=drain, max_bytes=1000) as first:
        kept = KeptProcess()
    block = "x" * 300_000
    with kept:
        with capture_fd(drain=drain) as whole:
            for _ in range(9):
                kept.write(block)
        with capture_fd(drain=drain, max_bytes=500_000) as limited:
            for _ in range(9):
                kept.write(block)
    assert whole.text == f"{block}\n" * 9
    assert (whole.dropped, first.dropped) == (0, 18 * 300_001 - 1000)
    assert limited.nbytes == 500_000
    assert limited.dropped == 9 * 300_001 - 500_000


def test_a_log_that_can_grow_no_more_takes_nothing_from_the_running_one(tmp_path: Path) -> None:
    """A file may have so many bytes, as on a disk that is full: the older log meets that first."""
    block = "x" * 400_000
    with capture_fd(drain="process") as first:
        kept = KeptProcess()
    helper = the_pump(os.getpid()).pid
    unlimited = resource.prlimit(helper, resource.RLIMIT_FSIZE)
    with kept:
        kept.write(block)
        assert first.nbytes == 400_001
        resource.prlimit(helper, resource.RLIMIT_FSIZE, (1_000_000, unlimited[1]))
        try:
            with capture_fd(drain="process") as second:
                kept.write(block)
                kept.write(block[:300_000])
        finally:
            resource.prlimit(helper, resource.RLIMIT_FSIZE, unlimited)
        kept.write("more")
    assert second.text == f"{block}\n{block[:300_000]}\n"
    assert second.dropped == 0
    assert first.nbytes + first.dropped == 400_001 + 700_002 + 5


def test_a_flood_costs_no_more_than_twice_its_bytes(tmp_path: Path) -> None:
    with capture_fd(spool_dir=str(tmp_path)) as first:
        kept = KeptProcess()
    with kept, capture_fd(spool_dir=str(tmp_path)) as second:
        for _ in range(20):
            kept.write("x" * 1_000_000)
        assert second.nbytes == first.nbytes == 20_000_020
        stored = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
        assert stored < 2 * 20_000_020 + 200_000


def test_killed_helpers_leave_both_logs_whole(rounds: Rounds) -> None:
    with pytest.warns(RuntimeWarning, match="helper process was killed"):
        for number in range(rounds(8, full=200)):
            with capture_fd(drain="process") as first:
                flood = Flood()
            with flood:
                with capture_fd(drain="process") as second:
                    eventually(lambda log=second, n=number: log.nbytes > 20_000 * n, "a flood")
                    os.kill(the_pump(os.getpid()).pid, signal.SIGKILL)
                    seen = second.nbytes
                    eventually(lambda log=second, n=seen: log.nbytes > n + 100_000, "a thread")
                own, copied = first.raw, second.raw
            assert_contiguous(own)
            assert_contiguous(copied)
            assert copied in own
            first.close()


def test_a_new_helper_goes_on_with_what_a_thread_took_over() -> None:
    with capture_fd(drain="process") as first:
        kept = KeptProcess()
    helper = the_pump(os.getpid()).pid
    os.kill(helper, signal.SIGKILL)
    await_end(helper)
    with kept:
        kept.write("one")
        for word in ("two", "three"):
            with capture_fd(drain="process") as logs:
                kept.write(word)
            assert logs.text == f"{word}\n"
        assert first.text == "one\ntwo\nthree\n"
    assert first.wait(LIMIT_S)


def test_a_capture_with_another_drain_has_it_too() -> None:
    with capture_fd(drain="process") as first:
        kept = KeptProcess()
    with kept:
        for drain in ("thread", "process", "thread"):
            with capture_fd(drain=drain) as logs:
                kept.write(drain)
            assert logs.text == f"{drain}\n"
    assert first.text == "thread\nprocess\nthread\n"
    assert first.wait(LIMIT_S)
    first.close()
    assert not any(t.name == "ipyfdcapture-drain" for t in threading.enumerate())


@DRAINS
def test_a_forked_child_leaves_them_to_its_parent(drain: str) -> None:
    with capture_fd(drain=drain) as first:
        kept = KeptProcess()
    with kept, capture_fd(drain=drain) as second:
        child = os.fork()
        if not child:
            status = 1
            try:
                with capture_fd(drain=drain) as own:
                    os.write(1, b"forked\n")
                status = 0 if own.text == "forked\n" and len(own.recording.sources) == 2 else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        kept.write("kept")
    assert first.text == second.text == "kept\n"


def test_a_labelled_child_that_is_kept_keeps_its_label() -> None:
    code = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
    with capture_fd() as first:
        child = popen([sys.executable, "-c", code], label="solver", stdin=subprocess.PIPE)
    with child, capture_fd() as second:
        child.stdin.write(b"one\n")
        child.stdin.flush()
        eventually(lambda: "one\n" in second.text, "the line")
        child.stdin.close()
        child.wait()
    assert [line.source for line in first] == ["solver/stdout"]
    (line,) = second
    assert line.source.endswith("/solver/stdout") and line.source.startswith("capture ")


def test_captures_leave_nothing_behind_once_their_processes_have_ended(no_leaks: None) -> None:
    with capture_fd():
        pass
    gc.collect()
    before = open_fds()
    with capture_fd() as first:
        kept = KeptProcess()
    with kept:
        for _ in range(20):
            with capture_fd():
                kept.write("x")
    assert first.wait(LIMIT_S)
    first.close()
    del first
    gc.collect()
    eventually(lambda: open_fds() == before, "the descriptors that there were")


@DRAINS
def test_a_process_that_floods_while_nothing_is_captured_takes_neither_memory_nor_disk(
    drain: str, tmp_path: Path
) -> None:
    with capture_fd(drain=drain, max_bytes=1 << 20, spool_dir=str(tmp_path)) as first:
        flood = Flood()
    with flood:
        processes = [psutil.Process()]
        if drain == "process":
            processes.append(the_pump(os.getpid()))
        memory, disk = [], []
        for _ in range(4):
            target = first.dropped + (30 << 20)
            eventually(lambda t=target: first.dropped > t, "so much more")
            memory.append(sum(process.memory_info().rss for process in processes))
            disk.append(_stored_in(tmp_path))
        assert memory[-1] < memory[0] + (8 << 20)
        assert max(disk) < 4 << 20
    assert first.wait(10)
    first.close()
    assert not any(t.name == "ipyfdcapture-drain" for t in threading.enumerate())


def _stored_in(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # what is full gives way to what is new
            total += path.stat().st_size
    return total
