"""A log of workers that are recordings on disk: merging, clocks, faults; without any engine."""

from __future__ import annotations

import os
import stat
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from helpers.fixtures import Script
from helpers.wait import eventually
from helpers.workers import SimulatedCluster, SimulatedWorker
from hypothesis import given
from hypothesis import strategies as st

from ipyfdcapture import CaptureError, capture_fd
from ipyfdcapture.cluster import clock as clocks
from ipyfdcapture.cluster import collector as collecting
from ipyfdcapture.cluster import merging, questions, task_log
from ipyfdcapture.cluster.clock import ClockOffset
from ipyfdcapture.cluster.feeds import Feed, Member
from ipyfdcapture.cluster.merging import Stream, merged
from ipyfdcapture.cluster.names import Names, usable
from ipyfdcapture.cluster.opening import begin_log
from ipyfdcapture.cluster.workers_log import WorkersLog
from ipyfdcapture.recording.files import move_recording

HOUR = 3_600_000_000_000
LIMIT_S = 30.0

MakeWorker = Callable[..., SimulatedWorker]
Open = Callable[..., WorkersLog]


@pytest.fixture
def worker(tmp_path: Path, no_leaks: None) -> Iterator[MakeWorker]:
    made: list[SimulatedWorker] = []

    def make(name: str, **options: Any) -> SimulatedWorker:
        made.append(SimulatedWorker(name, tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def open_log(no_leaks: None) -> Iterator[Open]:
    opened: list[WorkersLog] = []

    def open_one(cluster: SimulatedCluster, live: Any = None, **options: Any) -> WorkersLog:
        options.setdefault("fetch_bytes", None)
        opened.append(begin_log(cluster, "session", live, options["fetch_bytes"]))
        return opened[-1]

    yield open_one
    for log in opened:
        log.close()


def test_lines_of_all_workers_are_one_log_in_order_of_time(
    worker: MakeWorker, open_log: Open
) -> None:
    workers = [worker(f"worker-{i}") for i in range(3)]
    start = time.time_ns()
    for i in range(300):
        workers[i * 7 % 3].write(f"line {i}\n", source=i % 2, time_ns=start + i * 1000)
    logs = open_log(SimulatedCluster(*workers))
    assert logs.fetch(LIMIT_S)
    assert list(logs) == [f"line {i}" for i in range(300)]
    assert list(logs.source("worker-1")) == [f"line {i}" for i in range(300) if i * 7 % 3 == 1]
    assert logs[1].source == "worker-1/stderr"
    assert [line.time_ns for line in logs] == [start + i * 1000 for i in range(300)]


def test_what_was_written_before_the_log_began_is_in_order_however_late_a_worker_answers(
    worker: MakeWorker, open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "PATIENCE_S", 0.3)
    first, second = worker("a"), worker("b")
    start = time.time_ns()
    for i in range(4):
        (first, second)[i % 2].write(f"line {i}\n", time_ns=start + i)
    second.loses.add("mark")
    logs = open_log(SimulatedCluster(first, second))
    assert eventually(lambda: logs.fetch(LIMIT_S), "all of both")
    assert list(logs) == [f"line {i}" for i in range(4)]


def test_it_grows_while_workers_write(worker: MakeWorker, open_log: Open) -> None:
    first, second = worker("a"), worker("b")
    logs = open_log(SimulatedCluster(first, second))
    for i in range(20):
        (first, second)[i % 2].write(f"line {i}\n")
        assert logs.fetch(LIMIT_S)
        assert list(logs) == [f"line {n}" for n in range(i + 1)]
    assert not logs.complete


def await_quick_answer(logs: WorkersLog, worker: SimulatedWorker) -> None:
    """Wait until the log knows a worker's clock to 4 ms."""
    members = logs._collector._members
    clock = eventually(lambda: members.get(f"id {worker.incarnation}"), "the worker").clock

    def is_known() -> bool:
        error = abs(clock.ns - worker.shift_ns)
        return clock.uncertainty_ns < 4_000_000 and error < 4_000_000

    eventually(is_known, "a quick answer")


@pytest.mark.parametrize("shift_ns", [HOUR, -HOUR])
def test_a_clock_that_is_an_hour_off_is_corrected(
    worker: MakeWorker, open_log: Open, shift_ns: int
) -> None:
    right, wrong = worker("right"), worker("wrong", shift_ns=shift_ns)
    logs = open_log(SimulatedCluster(right, wrong))
    await_quick_answer(logs, wrong)
    before = time.time_ns()
    for i in range(10):
        (right, wrong)[i % 2].write(f"line {i}\n")
        written = time.time_ns()
        # They are further apart than the clocks are told apart.
        eventually(lambda at=written: time.time_ns() > at + 5_000_000, "a later moment")  # type: ignore[misc]
    assert logs.fetch(LIMIT_S)
    assert sorted(logs) == sorted(f"line {i}" for i in range(10))
    assert list(logs) == [f"line {i}" for i in range(10)]
    assert all(before - 10**9 < line.time_ns < time.time_ns() + 10**9 for line in logs)
    assert list(logs.on_workers.grep("line")) == list(logs)
    assert list(logs.on_workers.tail(3)) == list(logs.tail(3))
    assert all(before - 10**9 < line.time_ns for line in logs.on_workers.tail(10))


@pytest.mark.parametrize("shifts", [(0, HOUR, 0), (HOUR, -HOUR), (-HOUR, 0, HOUR)])
def test_a_clock_that_is_set_while_a_worker_runs_stalls_nothing_and_is_corrected_again(
    worker: MakeWorker, open_log: Open, shifts: tuple[int, ...]
) -> None:
    right, jumpy = worker("right"), worker("jumpy", shift_ns=shifts[0])
    logs = open_log(SimulatedCluster(right, jumpy))
    # A worker that is set back right before it answers may have written since its answer before:
    # all that is known then is that it was after that. It has answered since this.
    answered = time.time_ns()
    for number, shift in enumerate(shifts):
        jumpy.shift_ns = shift
        jumpy.write(f"{number}: just set\n")  # before anybody can know
        await_quick_answer(logs, jumpy)
        jumpy.write(f"{number}: known\n")
        right.write(f"{number}: right\n")
        began = answered
        answered = time.time_ns()
        assert logs.fetch(LIMIT_S), logs.workers()
        latest = [line for line in logs if line.startswith(f"{number}:")]
        assert len(latest) == 3 and len(logs) == 3 * (number + 1), list(logs)
        times = [line.time_ns for line in latest]
        assert all(began - 10**9 < at < time.time_ns() + 10**9 for at in times), (began, times)
    assert list(logs.source("jumpy")) == [
        f"{number}: {what}" for number in range(len(shifts)) for what in ("just set", "known")
    ]
    assert all(each.silent_s < HOUR / 2e9 for each in logs.workers())


def test_what_was_written_before_a_clock_was_set_keeps_its_time_however_late_it_is_fetched(
    worker: MakeWorker, open_log: Open
) -> None:
    right, jumpy = worker("right"), worker("jumpy")
    logs = open_log(SimulatedCluster(right, jumpy), fetch_bytes=1)
    assert logs.fetch(LIMIT_S)
    jumpy.write("fetched\n")
    eventually(lambda: "fetched" in logs, "the only block that is fetched unasked")
    right.write("first\n")
    jumpy.write("second\n")
    eventually(lambda: sum(each.nbytes for each in logs.workers()) == 21, "marks of both")
    before_it_was_set = time.time_ns()
    jumpy.shift_ns = HOUR
    await_quick_answer(logs, jumpy)
    eventually(lambda: time.time_ns() > before_it_was_set + 10_000_000, "a later moment")
    jumpy.write("third\n")
    eventually(lambda: sum(each.nbytes for each in logs.workers()) == 27, "another mark")
    assert list(logs) == ["fetched"]
    assert logs.fetch(LIMIT_S)
    moments = {str(line): line.time_ns for line in logs}
    assert moments["second"] < before_it_was_set < moments["third"] < time.time_ns()


@pytest.mark.parametrize("whose", ["the client's", "all"])
@pytest.mark.parametrize("shift_ns", [HOUR, -HOUR])
def test_the_client_s_clock_may_be_set_while_a_log_runs(
    worker: MakeWorker,
    open_log: Open,
    monkeypatch: pytest.MonkeyPatch,
    shift_ns: int,
    whose: str,
) -> None:
    one, two = worker("one"), worker("two")
    logs = open_log(SimulatedCluster(one, two))
    one.write("before\n")
    assert logs.fetch(LIMIT_S)
    with capture_fd() as cell:
        two.write("in the cell\n")
        assert logs.fetch(LIMIT_S)
        shifted = SimpleNamespace(
            time_ns=lambda: time.time_ns() + shift_ns, monotonic_ns=time.monotonic_ns
        )
        monkeypatch.setattr(clocks, "clock", shifted)
        for each in (one, two):
            each.shift_ns = shift_ns if whose == "all" else 0
        for i in range(6):
            (one, two)[i % 2].write(f"line {i}\n")
        assert logs.fetch(LIMIT_S)
    assert len(logs) == 8 and len(cell) == 7
    for name in ("one", "two"):
        lines = [line for line in logs if line.source.startswith(name)]
        assert [line.time_ns for line in lines] == sorted(line.time_ns for line in lines)
    assert "before" not in cell


def test_a_worker_s_own_order_survives_a_clock_that_is_set_back(
    worker: MakeWorker, open_log: Open
) -> None:
    one = worker("one")
    for i in range(10):
        one.write(f"line {i}\n", time_ns=time.time_ns() - i * 10**9)
    logs = open_log(SimulatedCluster(one))
    assert logs.fetch(LIMIT_S)
    assert list(logs) == [f"line {i}" for i in range(10)]


def test_a_worker_that_does_not_answer_holds_up_no_other(
    worker: MakeWorker, open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, stuck = worker("good"), worker("stuck")
    stuck.write("before\n")
    logs = open_log(SimulatedCluster(good, stuck))
    assert logs.fetch(LIMIT_S)
    monkeypatch.setattr(collecting, "SILENT_S", 0.3)
    stuck.is_silent = True
    stuck.write("meanwhile\n")
    good.write("good\n")
    eventually(lambda: "good" in logs, "the line of the other")
    status = {each.name: each for each in logs.workers()}
    assert status["stuck"].state == "silent"
    assert "stuck does not answer" in status["stuck"].trouble
    monkeypatch.undo()
    # The cluster gives the question up, as engines do, and the worker goes on.
    logs._collector._members[f"id {stuck.incarnation}"].asked = None
    stuck.is_silent = False
    eventually(lambda: "meanwhile" in logs, "the line of the one that was stuck")
    assert eventually(lambda: logs.fetch(LIMIT_S), "an answer of both")
    assert sorted(logs) == ["before", "good", "meanwhile"]


def test_nothing_that_looks_at_a_log_waits_for_a_worker(worker: MakeWorker, open_log: Open) -> None:
    stuck = worker("stuck")
    stuck.is_silent = True
    logs = open_log(SimulatedCluster(stuck))
    assert len(logs) == 0 and logs.text == "" and repr(logs)
    assert list(logs.workers()) == [] and not logs.complete
    assert repr(logs.workers()) == "no worker has answered yet"
    assert not logs.fetch(0.1)


def test_a_worker_that_has_never_answered_is_said_to_be_missing(
    worker: MakeWorker, open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "SILENT_S", 0.2)
    stuck = worker("stuck")
    stuck.is_silent = True
    logs = open_log(SimulatedCluster(stuck))
    assert not logs.fetch(LIMIT_S)
    (status,) = logs.workers()
    assert status.state == "silent"
    assert status.trouble == (
        f"id {stuck.incarnation} does not answer: what it writes comes once it does"
    )


def test_a_worker_that_is_restarted_in_the_middle_of_a_fetch_loses_nothing(
    worker: MakeWorker, open_log: Open
) -> None:
    old, neighbour = worker("worker-0"), worker("worker-1")
    text = "".join(f"line {i}\n" for i in range(400_000))  # more than two blocks
    old.write(text)
    new = worker("worker-0")
    new.write("again\n")
    cluster = SimulatedCluster(old, neighbour)

    def restart_after_a_block(request: Any) -> None:
        if request["do"] == "read" and request["start"] > 0 and old in cluster.present.values():
            old.die()
            cluster.remove(old)
            cluster.add(new)

    cluster.on_ask = restart_after_a_block
    logs = open_log(cluster)
    eventually(lambda: "again" in logs.tail(1), "the first words of the new one")
    assert old not in cluster.present.values()
    assert logs.source("worker-0").text == text + "again\n"
    status = next(each for each in logs.workers() if each.name == "worker-0")
    assert (status.restarts, status.state, status.trouble) == (1, "running", "")


def test_a_worker_that_the_engine_has_given_up_and_that_lives_holds_up_no_other(
    worker: MakeWorker, open_log: Open
) -> None:
    given_up, other = worker("given up", host=collecting.host_id()), worker("other")
    given_up.pid = os.getpid()
    cluster = SimulatedCluster(given_up, other)
    logs = open_log(cluster)
    assert logs.fetch(LIMIT_S)
    cluster.remove(given_up)
    for number in range(3):
        other.write(f"goes on {number}\n")
        given_up.write(f"too {number}\n")
        assert logs.fetch(LIMIT_S), logs.workers()
        assert len(logs) == 2 * (number + 1)
    assert sorted(logs.source("given up")) == ["too 0", "too 1", "too 2"]


def test_the_last_words_of_a_lost_worker_are_read_by_its_neighbour(
    worker: MakeWorker, open_log: Open
) -> None:
    lost, neighbour = worker("lost"), worker("neighbour")
    cluster = SimulatedCluster(lost, neighbour)
    logs = open_log(cluster)
    lost.write("first words\n")
    assert logs.fetch(LIMIT_S)
    lost.write("last words\n")
    lost.die()
    cluster.remove(lost)
    assert eventually(lambda: "last words" in logs, "the last words")
    status = next(each for each in logs.workers() if each.name == "lost")
    assert (status.state, status.last_line, status.lines) == ("lost", "last words", 2)
    assert status.trouble == ""
    logs.close()
    assert not os.path.exists(lost.left_dir)


def test_a_lost_worker_without_a_neighbour_is_said_to_lack_its_end(
    worker: MakeWorker, open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting.leftovers, "MOVED_WITHIN_S", 0.2)
    lost, other = worker("lost", host="its own"), worker("other")
    cluster = SimulatedCluster(lost, other)
    logs = open_log(cluster)
    lost.write("first words\n")
    assert logs.fetch(LIMIT_S)
    cluster.remove(lost)
    other.write("goes on\n")
    eventually(lambda: "goes on" in logs, "the other's line")
    assert not logs.fetch(LIMIT_S)
    trouble = next(each.trouble for each in logs.workers() if each.name == "lost")
    assert trouble == (
        "what lost wrote last is missing: there is nobody else on its machine to read it"
    )


def test_a_restarted_worker_keeps_its_name_and_loses_nothing(
    worker: MakeWorker, open_log: Open
) -> None:
    old, neighbour = worker("worker-0"), worker("worker-1")
    cluster = SimulatedCluster(old, neighbour)
    logs = open_log(cluster)
    old.write("one\n" * 1000)
    assert logs.fetch(LIMIT_S)
    old.write("two\n")
    old.die()
    cluster.remove(old)
    eventually(lambda: "two" in logs, "the last words")
    new = worker("worker-0")
    new.write("three\n")
    cluster.add(new)
    eventually(lambda: "three" in logs, "the first words of the new one")
    assert list(logs.source("worker-0")) == ["one"] * 1000 + ["two", "three"]
    status = next(each for each in logs.workers() if each.name == "worker-0")
    assert (status.restarts, status.state, status.lines) == (1, "running", 1002)
    assert "running, restarted" in repr(logs.workers())


def test_a_worker_that_has_just_come_is_fetched_from(worker: MakeWorker, open_log: Open) -> None:
    first, second = worker("a"), worker("b")
    cluster = SimulatedCluster(first)
    logs = open_log(cluster)
    assert logs.fetch(LIMIT_S)
    second.write("first words\n")
    cluster.add(second)
    assert logs.fetch(LIMIT_S)
    assert list(logs) == ["first words"]
    third = worker("c")
    third.write("found\n")
    cluster.add(third)
    assert list(logs.on_workers.grep("found")) == ["found"]


def test_a_cluster_without_workers_has_nothing_to_wait_for(
    worker: MakeWorker, open_log: Open
) -> None:
    cluster = SimulatedCluster()
    logs = open_log(cluster)
    assert logs.fetch(LIMIT_S)
    assert len(logs.on_workers) == 0 and list(logs.workers()) == []
    one = worker("one")
    one.write("there\n")
    cluster.add(one)
    assert logs.fetch(LIMIT_S) and list(logs) == ["there"]


def test_an_engine_that_does_not_say_which_workers_there_are_holds_up_nothing(
    worker: MakeWorker, open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "SILENT_S", 0.1)
    monkeypatch.setattr(questions, "PATIENCE_S", 0.3)
    one = worker("one")
    cluster = SimulatedCluster(one)
    logs = open_log(cluster)
    assert eventually(lambda: logs.fetch(LIMIT_S), "an answer")
    cluster.is_silent = True
    one.write("still\n")
    assert not logs.fetch(LIMIT_S)
    assert list(logs) == ["still"]
    cluster.is_silent = False
    assert eventually(lambda: logs.fetch(LIMIT_S), "an answer again")


def test_two_workers_of_one_name_are_told_apart(worker: MakeWorker, open_log: Open) -> None:
    first, second = worker("same"), worker("same")
    first.write("first\n")
    second.write("second\n")
    logs = open_log(SimulatedCluster(first, second))
    assert logs.fetch(LIMIT_S)
    assert [each.name for each in logs.workers()] == ["same", "same-2"]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("worker-3", "worker-3"),
        ("127.0.0.1:4000", "127.0.0.1:4000"),
        ("stdout", "worker stdout"),
        ("stderr/x", "stderr-x"),
        ("cell 3", "worker cell 3"),
        ("", "worker"),
        ("///", "worker"),
        ("a\nb\x1b[31m", "a?b?[31m"),
        ("<script>", "<script>"),
        ("../x", "..-x"),
        ("/etc/passwd", "etc-passwd"),
        ("worker-1/stdout", "worker-1-stdout"),
        ("a\u202eb\u200b\ud800", "a?b??"),
        ("stdout\n", "stdout?"),
        pytest.param("x" * 10_000, "x" * 40 + "…" + "x" * 39, id="long"),
        pytest.param("a" * 40 + "/" * 10_000, "a" * 40, id="long, but for slashes"),
    ],
)
def test_any_name_makes_a_label(name: str, label: str) -> None:
    assert usable(name) == label


def test_a_worker_s_label_is_free_again_once_it_is_gone() -> None:
    names = Names()
    assert names.label("1", "w") == "w"
    assert names.label("2", "w") == "w-2"
    names.release("1")
    assert names.label("3", "w") == "w"


@pytest.mark.parametrize(
    "answer",
    [
        {"error": "the client speaks version 1 of the protocol, this worker version 2"},
        {"error": "unknown", "host": "elsewhere"},
        {"error": "first line\n\x1b[31msecond"},
        {"name": "of an answer that lacks the rest"},
        None,
    ],
)
def test_a_worker_that_cannot_serve_us_is_named_and_holds_up_no_other(
    worker: MakeWorker, open_log: Open, answer: Any
) -> None:
    good, bad = worker("good"), worker("bad")
    bad.refuses = answer
    if answer is None:
        bad.answer = lambda request: None  # type: ignore[method-assign,assignment,return-value]
    good.write("good\n")
    logs = open_log(SimulatedCluster(good, bad))
    eventually(lambda: len(logs.workers()) == 2, "both workers")
    assert not logs.fetch(LIMIT_S)
    assert list(logs) == ["good"]
    failed = logs.workers()[-1]
    assert failed.state == "failed"
    assert failed.trouble.isprintable() and "is not captured: " in failed.trouble


def test_a_worker_that_never_answered_is_named_harmlessly(
    worker: MakeWorker, open_log: Open
) -> None:
    bad = worker("bad")
    bad.refuses = {"error": "no"}
    cluster = SimulatedCluster()
    cluster.present["\x1b[31m\n../stdout"] = bad
    logs = open_log(cluster)
    (status,) = eventually(logs.workers, "the worker")
    assert status.name == "?[31m?../stdout"
    assert status.trouble == "?[31m?../stdout is not captured: no"
    assert "\x1b" not in repr(logs.workers())


@pytest.mark.parametrize("lost", ["mark", "read"])
def test_a_question_that_was_lost_with_its_connection_is_asked_again(
    worker: MakeWorker, open_log: Open, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    monkeypatch.setattr(questions, "PATIENCE_S", 0.3)
    monkeypatch.setattr(collecting, "SILENT_S", 0.1)
    good, cut_off = worker("good"), worker("cut off")
    cut_off.loses.add(lost)
    cut_off.write("whole\n")
    logs = open_log(SimulatedCluster(good, cut_off))
    eventually(lambda: "whole" in logs, "what the one wrote whose connection was lost")
    assert not cut_off.loses
    good.write("good\n")
    assert eventually(lambda: logs.fetch(LIMIT_S), "an answer of both")
    assert sorted(logs) == ["good", "whole"]
    assert [each.trouble for each in logs.workers()] == ["", ""]


def test_a_worker_that_falls_silent_amid_a_fetch_is_read_from_its_files(
    worker: MakeWorker, open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "SILENT_S", 0.2)
    one = worker("one", host=collecting.host_id())
    cluster = SimulatedCluster(one)
    owed: list[Any] = []

    def fall_silent(request: Any) -> None:
        if request["do"] == "read":
            one.is_silent = True
            owed.append(request)

    cluster.on_ask = fall_silent
    one.write("whole\n")
    logs = open_log(cluster)
    eventually(lambda: "whole" in logs, "what it wrote", timeout=LIMIT_S)
    assert len(owed) == 1 and list(logs) == ["whole"]


def test_a_worker_whose_recording_cannot_be_read_is_named(
    worker: MakeWorker, open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "_RETRY_S", 0.1)
    good, bad = worker("good"), worker("bad")
    cannot = {"error": "OSError: [Errno 24] Too many open files"}
    answer = bad.answer
    bad.answer = lambda request: cannot if request["do"] == "read" else answer(request)  # type: ignore[method-assign]
    bad.write("kept\n")
    good.write("good\n")
    logs = open_log(SimulatedCluster(good, bad))
    eventually(lambda: "good" in logs, "the other's line")
    assert not logs.fetch(LIMIT_S)
    assert [each.trouble for each in logs.workers()] == [
        "5 B of bad cannot be read: OSError: [Errno 24] Too many open files",
        "",
    ]
    bad.answer = answer  # type: ignore[method-assign]
    assert eventually(lambda: logs.fetch(LIMIT_S), "all of both")
    assert sorted(logs) == ["good", "kept"]


def test_a_worker_whose_blocks_make_no_sense_is_named_and_holds_up_no_other(
    worker: MakeWorker, open_log: Open
) -> None:
    good, bad = worker("good"), worker("bad")
    answer = bad.answer

    def lie(request: Any) -> Any:
        found = answer(request)
        return {**found, "data": found["data"] + b"more"} if request["do"] == "read" else found

    bad.answer = lie  # type: ignore[method-assign]
    bad.write("kept\n")
    good.write("good\n")
    logs = open_log(SimulatedCluster(good, bad))
    eventually(lambda: "good" in logs, "the other's line")
    assert not logs.fetch(LIMIT_S)
    assert list(logs) == ["good"]
    assert logs.workers()[0].trouble == (
        "5 B of bad cannot be read: its answer makes no sense "
        "(ValueError: chunks of 5 bytes, and 9 bytes)"
    )


def test_a_log_that_is_not_fetched_remembers_little(worker: MakeWorker) -> None:
    one = worker("one")
    mark = one.served.mark()
    feed = Feed(Member("id"), "one", mark)
    for i in range(20_000):
        feed.marked({**mark, "end": i, "arrived": i}, asked=i)
    assert len(feed._marks) <= 1000
    assert feed._marks[-1].end == 19_999


def test_what_a_limit_has_dropped_is_counted(worker: MakeWorker, open_log: Open) -> None:
    one = worker("one")
    one.write("kept\n" * 10)
    logs = open_log(SimulatedCluster(one))
    assert logs.fetch(LIMIT_S)

    def later(answer: Any = one.answer) -> Any:
        def read(request: Any) -> Any:
            found = answer(request)
            if request["do"] == "read" and request["start"] == 50:
                found = answer({**request, "start": 70, "stop": request["stop"] + 20})
            return found

        return read

    one.answer = later()  # type: ignore[method-assign]
    one.write("gone\n" * 4 + "there\n")
    eventually(lambda: "there" in logs, "what comes after the gap")
    assert logs.workers()[0].trouble == "20 B of one are missing: max_bytes had dropped them"


def test_no_more_is_fetched_than_was_allowed_until_it_is_asked_for(
    worker: MakeWorker, open_log: Open
) -> None:
    big, small = worker("big"), worker("small")
    big.write("x" * 99 + "\n")
    cluster = SimulatedCluster(big, small)
    logs = open_log(cluster, fetch_bytes=50)
    eventually(lambda: logs.nbytes == 100, "the first block")
    big.write(("y" * 99 + "\n") * 100)
    eventually(lambda: logs.workers()[0].nbytes == 10_100, "a mark")
    assert logs.nbytes == 100
    assert "fetch() has them" in logs.workers()[0].trouble
    assert len(logs.on_workers) == 101
    assert logs.fetch(LIMIT_S)
    assert logs.nbytes == 10_100


def test_workers_answer_what_would_take_long_to_fetch(worker: MakeWorker, open_log: Open) -> None:
    workers = [worker(f"w{i}") for i in range(2)]
    start = time.time_ns()
    for i in range(100):
        level = "ERROR: bad" if i % 10 == 0 else "INFO: fine"
        workers[i % 2].write(f"{level} {i}\n", time_ns=start + i)
    logs = open_log(SimulatedCluster(*workers), fetch_bytes=1)
    eventually(lambda: len(logs.workers()) == 2, "both workers")
    there = logs.on_workers
    assert len(there) == 100
    assert there.levels() == {"info": 90, "error": 10}
    assert list(there.grep(level="error")) == [f"ERROR: bad {i}" for i in range(0, 100, 10)]
    assert list(there.grep("fine 7", ignore_case=True)) == [
        line
        for line in (f"INFO: fine {i}" for i in (7, *range(70, 80)))
        if not line.endswith(" 70")
    ]
    assert list(there.tail(3)) == ["INFO: fine 97", "INFO: fine 98", "INFO: fine 99"]
    assert there.tail(1)[0].source == "w1/stdout"
    with pytest.raises(TypeError, match="grep needs a pattern"):
        there.grep()
    workers[0].refuses = {"error": "no"}
    with pytest.raises(ConnectionError, match="w0 does not answer: no"):
        len(there)


def test_closing_tells_every_worker(worker: MakeWorker, open_log: Open) -> None:
    workers = [worker(f"w{i}") for i in range(3)]
    cluster = SimulatedCluster(*workers)
    logs = open_log(cluster)
    assert logs.fetch(LIMIT_S)
    logs.close()
    assert [each.ended for each in workers] == [["end"]] * 3
    assert cluster.is_closed


def test_stopping_keeps_the_log(worker: MakeWorker, open_log: Open) -> None:
    one = worker("one")
    logs = open_log(SimulatedCluster(one))
    one.write("kept\n")
    assert logs.stop(LIMIT_S)
    assert one.ended == ["end"]
    assert logs.complete and logs.wait(0) and list(logs) == ["kept"]
    assert logs.workers()[0].state == "running"


def test_a_cluster_that_is_closed_ends_the_log(worker: MakeWorker, open_log: Open) -> None:
    one = worker("one", host=collecting.host_id())
    cluster = SimulatedCluster(one)
    logs = open_log(cluster)
    one.write("first\n")
    assert logs.fetch(LIMIT_S)
    one.write("last\n")
    one.die()
    cluster.is_gone = True
    assert logs.wait(LIMIT_S)
    assert logs.complete and list(logs) == ["first", "last"]
    eventually(lambda: not os.path.exists(one.left_dir), "what it left to be gone")


def test_a_cluster_that_is_closed_amid_a_fetch_ends_the_log_with_all_that_can_be_had(
    worker: MakeWorker, open_log: Open
) -> None:
    one = worker("one", host=collecting.host_id())
    cluster = SimulatedCluster(one)
    one.loses.add("read")  # its answer never comes: the connection is closed
    one.write("whole\n")
    logs = open_log(cluster)
    eventually(lambda: not one.loses, "the fetch to have begun")
    one.die()
    cluster.is_gone = True
    assert logs.wait(LIMIT_S)
    assert logs.complete and list(logs) == ["whole"]


def test_a_log_that_is_forgotten_ends_by_itself(worker: MakeWorker) -> None:
    one = worker("one")
    cluster = SimulatedCluster(one)
    logs = begin_log(cluster, "session", None, None)
    assert logs.fetch(LIMIT_S)
    del logs
    eventually(lambda: one.ended == ["end"], "the worker to be told")


def test_what_comes_is_shown_with_its_worker_s_name(worker: MakeWorker, open_log: Open) -> None:
    import io

    shown = io.StringIO()
    one, two = worker("worker-1"), worker("worker-2")
    logs = open_log(SimulatedCluster(one, two), live=shown)
    one.write("one\n")
    two.write("two\n")
    eventually(lambda: shown.getvalue().count("\n") == 2, "both lines")
    assert logs.fetch(LIMIT_S)
    assert sorted(shown.getvalue().splitlines()) == ["one", "two"]


def test_a_capture_meanwhile_has_what_workers_write_then(
    worker: MakeWorker, open_log: Open
) -> None:
    one = worker("worker-1")
    logs = open_log(SimulatedCluster(one))
    one.write("before\n")
    assert logs.fetch(LIMIT_S)
    with capture_fd() as cell:
        print("own")
        one.write("meanwhile\n")
        one.write("seriously\n", source=1)
    one.write("after\n")
    assert logs.fetch(LIMIT_S)
    assert sorted((line.source, line) for line in cell) == [
        ("stdout", "own"),
        ("worker-1/stderr", "seriously"),
        ("worker-1/stdout", "meanwhile"),
    ]
    assert cell.complete
    assert len(logs) == 4


def test_a_capture_has_what_a_worker_s_helper_reads_a_little_later(
    worker: MakeWorker, open_log: Open
) -> None:
    one = worker("worker-1")
    cluster = SimulatedCluster(one)
    logs = open_log(cluster)
    assert logs.fetch(LIMIT_S)
    in_the_pipe: list[str] = []

    def read(request: Any) -> None:
        if request["do"] == "mark" and in_the_pipe:
            one.write(in_the_pipe.pop())

    cluster.on_ask = read
    with capture_fd() as cell:
        in_the_pipe.append("meanwhile\n")
    assert list(cell) == ["meanwhile"]


def test_a_question_that_comes_late_opens_no_files(worker: MakeWorker) -> None:
    one = worker("one")
    one.write("line\n")
    one.served.mark()
    one.served.close()
    requests: list[Any] = [
        {"do": "mark"},
        {"do": "read", "session": "a", "start": 0, "stop": 9},
    ]
    for request in requests:
        with pytest.raises(CaptureError, match="this recording is closed"):
            one.answer(request)


def test_a_full_disk_here_is_said_and_stops_nothing(
    worker: MakeWorker, open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = worker("one")
    logs = open_log(SimulatedCluster(one))
    one.write("before\n")
    assert logs.fetch(LIMIT_S)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(logs._collector._appender, "flush", full)
    one.write("after\n")
    eventually(lambda: logs.dropped, "what could not be kept")
    monkeypatch.undo()
    assert logs.dropped == 6 and list(logs) == ["before"]
    assert logs.recording.dropped_why == "No space left on device"


def test_a_thousand_workers_are_merged(worker: MakeWorker, open_log: Open) -> None:
    start = time.time_ns()
    workers = [worker(f"w{i}", shift_ns=(i % 3 - 1) * HOUR) for i in range(200)]
    for i, each in enumerate(workers):
        for n in range(5):
            each.write(f"{n} of {i}\n", time_ns=start + each.shift_ns + n * 10**6 + i)
    logs = open_log(SimulatedCluster(*workers))
    assert logs.fetch(LIMIT_S)
    assert sorted(logs) == sorted(f"{n} of {i}" for i in range(200) for n in range(5))
    assert len(logs.workers()) == 200


def test_a_worker_is_given_up_by_silent_clients_and_found_again(script: Script) -> None:
    assert "end\n" in script("clusters/a_client_that_goes_and_comes_back")


def test_what_children_of_a_worker_s_tasks_write_late_is_found_by_their_task(
    script: Script,
) -> None:
    assert "end\n" in script("clusters/tasks_that_leave_children")


def test_what_a_dead_worker_leaves_is_in_directories_that_its_user_alone_can_read(
    worker: MakeWorker, tmp_path: Path
) -> None:
    one = worker("one")
    one.write("last words\n")
    recording = one.served.recording
    recording.path = move_recording(recording.path, str(tmp_path / "root" / "left"))
    for directory in (tmp_path / "root", tmp_path / "root" / "left"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_the_log_of_a_task_grows_while_its_children_write(
    worker: MakeWorker, open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = worker("one"), worker("two")
    logs = open_log(SimulatedCluster(one, two))
    one.write("before\n")
    one.parts["task"] = (one.served.end(), None, (0,))
    one.write("early\n")
    one.write("another's\n", source=1)
    log = logs.task("task")
    assert list(log) == ["early"] and not log.complete and not log.wait(0)
    one.write("late\n")
    eventually(lambda: list(log) == ["early", "late"], "what came since")
    # While its worker does not answer, a look has what is here.
    monkeypatch.setattr(task_log, "_LOOK_S", 0.01)
    monkeypatch.setattr(task_log, "_RETRY_S", 0.0)
    one.is_silent = True
    one.write("unheard\n")
    assert list(log) == ["early", "late"] and not log.complete
    one.is_silent = False
    eventually(lambda: list(log) == ["early", "late", "unheard"], "what came meanwhile")
    one.parts["task"] = (len("before\n"), one.served.end(), (0,))
    assert log.wait(LIMIT_S) and log.complete
    one.write("another's too\n")
    assert [(line.source, line) for line in log] == [
        ("one/stdout", each) for each in ("early", "late", "unheard")
    ]
    log.close()


@pytest.mark.parametrize("how", ["it is run again", "its worker is gone", "all is closed"])
def test_the_log_of_a_task_ends(worker: MakeWorker, open_log: Open, how: str) -> None:
    one, two = worker("one"), worker("two")
    cluster = SimulatedCluster(one, two)
    logs = open_log(cluster)
    one.parts["task"] = (0, None, (0,))
    one.write("first\n")
    log = logs.task("task")
    if how == "it is run again":
        one.parts["task"] = (one.served.end(), None, (0,))
        one.write("second\n")
    elif how == "its worker is gone":
        cluster.remove(one)
    else:
        logs.close()
        cluster.remove(one)
    assert log.wait(LIMIT_S) and log.complete
    assert list(log) == ["first"]
    log.close()


# -- the parts ------------------------------------------------------------------------------------

_times = st.lists(st.integers(0, 50), max_size=20).map(sorted)


@given(
    st.lists(_times, min_size=1, max_size=5),
    st.lists(st.integers(0, 60), max_size=6),
    st.sampled_from([1, 8, merging._SORTED_CHUNKS]),
)
def test_merging_keeps_each_stream_s_order_and_all_bytes(
    all_times: list[list[int]], steps: list[int], sorted_chunks: int
) -> None:
    streams = [Stream() for _ in all_times]
    expected = []
    for number, (stream, times) in enumerate(zip(streams, all_times, strict=True)):
        parts = [f"{number}:{i};".encode() for i in range(len(times))]
        entries = b"".join(
            struct.pack("<QQQ", at, len(part), 0) for at, part in zip(times, parts, strict=True)
        )
        stream.add(entries, b"".join(parts), 0, [number])
        expected += [(number, part, at) for part, at in zip(parts, times, strict=True)]
    found = []
    with mock.patch.object(merging, "_SORTED_CHUNKS", sorted_chunks):
        for until in [*sorted(steps), 1 << 62]:
            found += list(merged(streams, until))
    assert found == sorted(expected, key=lambda chunk: chunk[2])
    assert all(stream.nbytes == 0 for stream in streams)


def test_clocks_that_may_agree_are_taken_to_agree() -> None:
    clock = ClockOffset()
    clock.note(1000, 2000, 1200)
    assert clock.ns == 0


def test_a_clock_s_offset_is_narrowed_by_each_answer() -> None:
    clock = ClockOffset()
    clock.note(1000, 2000, 101_500)
    clock.note(3000, 3010, 103_005)
    assert clock.ns == 100_000
    clock.note(5000, 5010, 5005)  # it was set
    assert clock.ns == 0
