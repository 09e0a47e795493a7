"""Engines of a real ipyparallel cluster."""

from __future__ import annotations

import gc
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import pytest

pytest.importorskip(
    "ipyparallel", reason="needs ipyparallel: pip install 'ipyfdcapture[ipyparallel]'"
)

import ipyparallel as ipp
from helpers.clients import client_to_be_killed
from helpers.clocks import HOUR_S, ShiftedClock, WrongClockCheck
from helpers.fixtures import Rounds
from helpers.kernel import Kernel
from helpers.native import Native
from helpers.process import private_env, the_pump
from helpers.proxy import Proxy
from helpers.small_disk import on_small_disk
from helpers.wait import LIMIT_S, eventually
from scripts.clusters import tasks

from ipyfdcapture import capture_fd
from ipyfdcapture.cluster import collector, questions, service
from ipyfdcapture.cluster.workers_log import WorkersLog
from ipyfdcapture.ipyparallel import capture_engines

_LINES = 20_000


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with _started(2, tmp_path_factory.mktemp("ipyparallel")) as cluster:
        yield cluster


@contextmanager
def _started(n: int, directory: Path, **options: str) -> Iterator[Any]:
    """A cluster with so many engines."""
    env = private_env(directory)
    with pytest.MonkeyPatch.context() as patched:
        for name in ("IPYTHONDIR", "PYTHONPATH", "HOME"):
            patched.setenv(name, env[name])
        profile = str(directory / "profile")
        cluster = ipp.Cluster(n=n, log_level=40, profile_dir=profile, **options)
        cluster.start_cluster_sync()
        try:
            yield cluster
        finally:
            cluster.stop_cluster_sync()


def _connection_file(cluster: Any, of: str = "client") -> str:
    name = f"ipcontroller-{cluster.cluster_id}-{of}.json"
    return os.path.join(cluster.profile_dir, "security", name)


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    client = cluster.connect_client_sync()
    client.wait_for_engines(2, timeout=LIMIT_S)
    yield client
    # What a test leaves, no other test finds.
    client[[0, 1]].apply_async(tasks.forget_clients).get(LIMIT_S)
    client.close()


@pytest.fixture
def logs(client: Any) -> Iterator[WorkersLog]:
    with closing(capture_engines(client, live=None)) as log:
        yield log


def test_each_engine_s_output_is_found_by_its_number(client: Any, logs: WorkersLog) -> None:
    client[:].apply_sync(tasks.say, 7)
    assert logs.fetch(LIMIT_S), logs.workers()
    for name in ("engine 0", "engine 1"):
        lines = logs.source(name)
        assert sorted(lines) == ["child 7", "error: 7", "native 7", "python 7"]
        assert {line.source for line in lines} == {f"{name}/stdout", f"{name}/stderr"}


def test_a_flood_and_code_that_holds_the_gil_are_complete(client: Any, logs: WorkersLog) -> None:
    client[:].apply_async(tasks.flood, _LINES, 3).get(LIMIT_S)
    assert logs.fetch(LIMIT_S), logs.workers()
    expected = "".join(f"3: line {i}\n" for i in range(_LINES)) + "x" * (2 << 20) + "\n"
    for name in ("engine 0", "engine 1"):
        assert logs.source(name).text == expected


def test_a_busy_engine_s_output_comes_while_it_computes(client: Any, logs: WorkersLog) -> None:
    client[:].apply_sync(tasks.say_one, 0)
    busy = client[0].apply_async(tasks.hold_the_gil, 2)
    eventually(lambda: "holding" in logs, "what it wrote before it was busy")
    busy.get(LIMIT_S)
    assert logs.fetch(LIMIT_S), logs.workers()


def test_what_is_fetched_takes_no_memory_here(client: Any, logs: WorkersLog) -> None:
    client[:].apply_sync(tasks.say_one, 0)
    assert logs.fetch(LIMIT_S), logs.workers()
    gc.collect()
    gc.disable()  # what is in a circle stays: however seldom the collector runs, it is nothing
    try:
        before = psutil.Process().memory_info().rss
        client[:].apply_sync(tasks.write_bulk, 100_000_000)
        assert logs.fetch(LIMIT_S), logs.workers()
        grown = psutil.Process().memory_info().rss - before
    finally:
        gc.enable()
    assert logs.nbytes > 200_000_000
    assert grown < 100_000_000
    # Nor does the engine send it by its own way.
    sent = [each["stdout"] for each in client.metadata.values() if isinstance(each, dict)]
    assert not any(sent)


def test_an_engine_s_own_log_has_its_output_as_before(
    cluster: Any, client: Any, logs: WorkersLog
) -> None:
    (engines,) = cluster.engines.values()
    own = Path(engines.launchers["0"].output_file)
    result = client[:].apply_async(tasks.say_one, 4321)
    result.get(LIMIT_S)
    eventually(lambda: b"native 4321\n" in own.read_bytes(), "the line in the log file")
    assert result.stdout == ["", ""]


def test_the_output_of_some_tasks_is_found_by_their_numbers(client: Any, logs: WorkersLog) -> None:
    results = [client[:].apply_async(tasks.say_one, number) for number in range(10)]
    for number, result in enumerate(results):
        result.get(LIMIT_S)
        part = logs.parts(result.msg_ids)
        assert sorted(part) == [f"native {number}"] * 2
        assert {line.source for line in part} == {"engine 0/stdout", "engine 1/stdout"}


def test_what_a_task_s_child_writes_late_stays_with_its_task(
    client: Any, logs: WorkersLog, tmp_path: Path
) -> None:
    engine, go = client[0], str(tmp_path / "go")
    results = [engine.apply_async(tasks.leave_a_child, word, go) for word in ("one", "two")]
    for result in results:
        result.get(LIMIT_S)
    one, two = (logs.parts(result.msg_ids) for result in results)
    assert (list(one), list(two)) == (["one began"], ["two began"])
    assert not one.complete and not two.complete
    meanwhile = engine.apply_async(tasks.wait_for_children, go, "one", "two")
    meanwhile.get(LIMIT_S)
    for log, word in ((one, "one"), (two, "two")):
        assert log.wait(LIMIT_S) and log.complete
        assert sorted(log) == [f"{word} began", f"{word} error", f"{word} late"]
        assert list(log.source("engine 0/stderr")) == [f"{word} error"]
    assert list(logs.parts(meanwhile.msg_ids)) == ["meanwhile"]
    both = logs.parts([each for result in results for each in result.msg_ids])
    assert both.complete and sorted(both) == sorted([*one, *two])
    assert logs.fetch(LIMIT_S), logs.workers()
    assert sorted(logs) == sorted(["meanwhile", *one, *two])


def test_a_task_s_child_that_lives_on_holds_up_no_end(client: Any, tmp_path: Path) -> None:
    before = client[:].apply_sync(tasks.state)
    go = tmp_path / "go"
    log = capture_engines(client, live=None)
    result = client[0].apply_async(tasks.leave_a_child, "one", str(go))
    result.get(LIMIT_S)
    part = log.parts(result.msg_ids)
    log.close()
    eventually(lambda: client[:].apply_sync(tasks.state) == before, "the engines to be as before")
    assert part.wait(LIMIT_S) and list(part) == ["one began"]
    go.touch()
    eventually(lambda: os.path.exists(f"{go}.one"), "the child, which nobody disturbs")


def test_the_last_to_close_leaves_engines_as_they_were(client: Any) -> None:
    before = client[:].apply_sync(tasks.state)
    first = capture_engines(client, live=None)
    second = capture_engines(client, live=None)
    assert first.fetch(LIMIT_S) and second.fetch(LIMIT_S)
    first.close()
    client[:].apply_sync(tasks.say_one, 2)
    assert second.fetch(LIMIT_S)
    assert list(second) == ["native 2", "native 2"]
    second.close()
    assert client[:].apply_sync(tasks.state) == before


@pytest.fixture
def short_lease(client: Any) -> Iterator[None]:
    client[:].apply_sync(tasks.set_lease, 3.0, 0.25)
    yield
    client[:].apply_sync(tasks.set_lease, service.LEASE_S, service.LOOK_S)


def test_engines_are_as_before_soon_after_a_client_was_killed(
    cluster: Any, client: Any, short_lease: None, tmp_path: Path
) -> None:
    before = client[:].apply_sync(tasks.state)
    with client_to_be_killed("ipyparallel", _connection_file(cluster), tmp_path):
        assert client[:].apply_sync(tasks.state) != before
    eventually(lambda: client[:].apply_sync(tasks.state) == before, "the engines to be as before")


def test_an_engine_that_was_too_busy_to_hear_us_does_not_give_us_up(
    client: Any, logs: WorkersLog, short_lease: None
) -> None:
    client[0].apply_async(tasks.hold_the_gil, 5).get(LIMIT_S)
    client[:].apply_sync(tasks.say_one, 1)
    assert eventually(lambda: logs.fetch(LIMIT_S), "all of both"), logs.workers()
    assert list(logs.source("engine 0")) == ["holding", "native 1"]
    assert all(each.restarts == 0 and not each.trouble for each in logs.workers())


@contextmanager
def _another_engine(
    cluster: Any, directory: Path, *more: str, before: Sequence[str] = (), **env: str
) -> Iterator[subprocess.Popen[bytes]]:
    """An engine more, for as long as it lasts; with more options and variables, if it needs them.

    Among the options may be another connection file than the cluster's own. ``before`` stands
    before its command.
    """
    directory.mkdir(exist_ok=True)
    own_file = f"--file={_connection_file(cluster, 'engine')}"
    process = subprocess.Popen(
        [
            *(*before, sys.executable, "-m", "ipyparallel.engine"),
            *more,
            *([] if any(each.startswith("--file=") for each in more) else [own_file]),
        ],
        env={**private_env(directory), **env},
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        nannies = psutil.Process(process.pid).children() if process.poll() is None else []
        process.kill()
        process.wait(LIMIT_S)
        # Its nanny tells the controller, which else waits for half a minute of lost heartbeats.
        for nanny in psutil.wait_procs(nannies, LIMIT_S)[1]:
            nanny.kill()


def test_an_engine_that_is_killed_in_the_middle_of_a_fetch_loses_nothing(
    cluster: Any, client: Any, tmp_path: Path
) -> None:
    with _another_engine(cluster, tmp_path / "engine"):
        client.wait_for_engines(3, timeout=LIMIT_S)
        number = max(client.ids)
        log = capture_engines(client, live=None)
        eventually(lambda: len(log.workers()) == 3, "all engines")
        client[number].apply_async(tasks.write_bulk_and_die, 60_000_000, "end")
        eventually(lambda: "end" in log.source(f"engine {number}").tail(1), "its last words")
        assert log.source(f"engine {number}/stdout").nbytes == 60_000_000 + len("end\n")
        client[[0, 1]].apply_sync(tasks.say_one, 6)
        eventually(lambda: log.source("engine 1").text == "native 6\n", "the other's line")
        log.close()
    eventually(lambda: len(client.ids) == 2, "its end")


@pytest.mark.parametrize("way", ["kill", "abort", "no memory"])
def test_a_killed_engine_s_last_words_are_in_the_log_and_the_one_in_its_place_is_captured(
    cluster: Any, client: Any, tmp_path: Path, way: str
) -> None:
    with _another_engine(cluster, tmp_path / "first"):
        client.wait_for_engines(3, timeout=LIMIT_S)
        first = max(client.ids)
        log = capture_engines(client, live=None)
        client[[0, 1]].apply_sync(tasks.say_one, 1)
        eventually(lambda: len(log.workers()) == 3, "all engines")
        client[first].apply_async(tasks.say_and_die, "last words", way)
        eventually(lambda: "last words" in log, "the last words")
        eventually(lambda: first not in client.ids, "its end")
    with _another_engine(cluster, tmp_path / "second"):
        client.wait_for_engines(3, timeout=LIMIT_S)
        second = max(client.ids)
        eventually(lambda: f"engine {second}" in _states(log), "the one in its place")
        client[second].apply_sync(tasks.say_one, 2)
        eventually(lambda: "native 2" in log, "a line of the one in its place")
        assert next(iter(log.source(f"engine {first}"))) == "last words"
        assert sorted(log) == sorted(["native 1", "native 1", "last words", "native 2"])
        assert {each.name: each.trouble for each in log.workers()}["engine 0"] == ""
        log.close()
    eventually(lambda: len(client.ids) == 2, "its end")


def test_an_engine_that_holds_the_gil_holds_up_no_other(
    client: Any, logs: WorkersLog, monkeypatch: pytest.MonkeyPatch, rounds: Rounds
) -> None:
    seconds = rounds(4, full=60)
    monkeypatch.setattr(collector, "SILENT_S", 0.5)
    eventually(lambda: logs.fetch(LIMIT_S), "both engines")
    stuck = client[0].apply_async(tasks.hold_the_gil, seconds)
    eventually(lambda: "holding" in logs, "what it wrote before, and while, it was stuck")
    client[1].apply_async(tasks.say_one, 5).get(LIMIT_S)
    eventually(lambda: "native 5" in logs, "the other's line")
    stuck.get(LIMIT_S + seconds)
    assert eventually(lambda: logs.fetch(LIMIT_S), "an answer of the one that was stuck")
    assert sorted(logs) == ["holding", "native 5"]


def test_an_engine_whose_connection_is_dropped_loses_nothing(
    cluster: Any, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "SILENT_S", 0.5)
    monkeypatch.setattr(questions, "PATIENCE_S", 2.0)
    connection = json.loads(Path(_connection_file(cluster, "engine")).read_text())
    with Proxy(connection["control"]) as proxy:
        file = tmp_path / "connection.json"
        file.write_text(json.dumps({**connection, "control": proxy.port}))
        with _another_engine(cluster, tmp_path / "engine", f"--file={file}"):
            client.wait_for_engines(3, timeout=LIMIT_S)
            number = max(client.ids)
            log = capture_engines(client, live=None)
            eventually(lambda: len(log.workers()) == 3, "all engines")
            client[:].apply_sync(tasks.say_one, 1)
            assert eventually(lambda: log.fetch(LIMIT_S), "all of it"), log.workers()
            proxy.cut()
            eventually(lambda: _states(log)[f"engine {number}"] == "silent", "its silence")
            client[[0, 1]].apply_sync(tasks.say_one, 2)
            eventually(lambda: "native 2" in log, "the line of one that can be reached")
            proxy.mend()
            client[number].apply_async(tasks.say_one, 3).get(LIMIT_S)
            eventually(lambda: _states(log)[f"engine {number}"] == "running", "it to be heard")
            assert eventually(lambda: log.fetch(LIMIT_S), "all of it"), log.workers()
            assert list(log.source(f"engine {number}")) == ["native 1", "native 3"]
            log.close()
    eventually(lambda: len(client.ids) == 2, "its end")


def _states(log: WorkersLog) -> dict[str, str]:
    return {each.name: each.state for each in log.workers()}


def test_an_engine_with_a_full_disk_is_named_and_the_other_is_complete(
    client: Any, logs: WorkersLog
) -> None:
    eventually(lambda: logs.fetch(LIMIT_S), "both engines")
    helper = the_pump(client[0].apply_sync(os.getpid)).pid
    unlimited = resource.prlimit(helper, resource.RLIMIT_FSIZE)
    resource.prlimit(helper, resource.RLIMIT_FSIZE, (1_000_000, unlimited[1]))
    try:
        client[:].apply_sync(tasks.write_bulk, 3_000_000)
        assert not logs.fetch(LIMIT_S)
        status = {each.name: each for each in logs.workers()}
        assert logs.source("engine 1").nbytes == 3_000_000
        assert status["engine 1"].trouble == ""
        assert "of engine 0 are missing: " in status["engine 0"].trouble
        assert "\n" not in status["engine 0"].trouble
    finally:
        resource.prlimit(helper, resource.RLIMIT_FSIZE, unlimited)


def test_an_engine_on_a_disk_that_is_full_is_named_and_the_others_are_complete(
    cluster: Any, client: Any, tmp_path: Path
) -> None:
    directory = tmp_path / "full"
    directory.mkdir()
    before = on_small_disk(Path(private_env(directory)["TMPDIR"]), 2_000_000)
    with _another_engine(cluster, directory, before=before):
        client.wait_for_engines(3, timeout=LIMIT_S)
        name = f"engine {max(client.ids)}"
        log = capture_engines(client, live=None)
        client[:].apply_async(tasks.write_bulk, 3_000_000).get(LIMIT_S)
        assert not log.fetch(LIMIT_S)
        troubles = {each.name: each.trouble for each in log.workers()}
        assert troubles.pop(name).endswith(f" of {name} are missing: No space left on device")
        assert set(troubles.values()) == {""}
        assert 1_000_000 < log.source(name).nbytes < 2_000_000
        assert all(log.source(each).nbytes == 3_000_000 for each in troubles)
        log.close()
    eventually(lambda: len(client.ids) == 2, "its end")


def test_an_engine_may_fork_and_lead_its_descriptors_elsewhere(
    cluster: Any, client: Any, tmp_path: Path
) -> None:
    with _another_engine(cluster, tmp_path / "odd"):
        client.wait_for_engines(3, timeout=LIMIT_S)
        number = max(client.ids)
        log = capture_engines(client, live=None)
        for task in (tasks.say_in_a_fork, tasks.say_in_a_pool, tasks.close_descriptors):
            client[number].apply_async(task).get(LIMIT_S)
        client[:].apply_async(tasks.say_one, 9).get(LIMIT_S)
        assert log.fetch(LIMIT_S), log.workers()
        expected = ["before", "child", *(f"native {i}" for i in range(4)), "parent"]
        assert sorted(log.source(f"engine {number}")) == expected
        assert list(log.source("engine 0")) == ["native 9"]
        log.close()
        captured = client[number].apply_async
        eventually(lambda: not captured(tasks.is_captured).get(LIMIT_S), "nobody to capture")
    eventually(lambda: len(client.ids) == 2, "its end")


def test_an_engine_s_clock_may_be_an_hour_off_and_be_set_meanwhile(
    cluster: Any, client: Any, tmp_path: Path, native: Native
) -> None:
    clock = ShiftedClock(native, tmp_path, -HOUR_S)
    with _another_engine(cluster, tmp_path / "wrong", **clock.env):
        client.wait_for_engines(3, timeout=LIMIT_S)
        number = max(client.ids)
        log = capture_engines(client, live=None)

        def say(name: str, what: int) -> None:
            client[int(name.split()[1])].apply_async(tasks.say_one, what).get(LIMIT_S)

        check = WrongClockCheck(log, clock, say, ("engine 0", f"engine {number}"))
        check.write_in_turns(range(100, 104))
        with capture_fd() as cell:
            check.say(110)
            assert log.fetch(LIMIT_S), log.workers()
        assert list(cell) == ["native 110"]
        check.check_found(log.on_workers.grep("native"))
        task = client[:].apply_async(tasks.say_one, 111)
        task.get(LIMIT_S)
        assert list(log.parts(task.msg_ids)) == ["native 111"] * 3
        clock.set(HOUR_S)
        check.say(112)
        check.write_in_turns(range(120, 124))
        check.check_the_rest()
        log.close()
    eventually(lambda: len(client.ids) == 2, "its end")


def test_hostile_names_and_lines_stay_data(cluster: Any, client: Any, tmp_path: Path) -> None:
    identity = "../<script>alert(2)</script>\x1b[31m\nstdout" + "y" * 150
    directory = tmp_path / "hostile"
    with _another_engine(cluster, directory, f"--Session.session={identity}"):
        client.wait_for_engines(3, timeout=LIMIT_S)
        number = max(client.ids)
        log = capture_engines(client, live=None)
        client[number].apply_async(tasks.write_hostile_bytes).get(LIMIT_S)
        assert log.fetch(LIMIT_S), log.workers()
        assert log.source(f"engine {number}/stdout").raw == tasks.HOSTILE_BYTES
        assert log.source(f"engine {number}/stderr").nbytes == 3_000_001
        page = log._repr_mimebundle_()["text/html"]
        assert repr(log.workers()).replace("\n", "").isprintable()
        assert not {"\x1b", "\x00"} & set(page) and "<script>" not in page
        log.close()
    assert [path.name for path in tmp_path.iterdir()] == [directory.name]
    eventually(lambda: len(client.ids) == 2, "its end")


def test_a_client_that_comes_back_finds_the_engines_captured_once(
    cluster: Any, client: Any
) -> None:
    gone = cluster.connect_client_sync()
    gone.wait_for_engines(2, timeout=LIMIT_S)
    logs = capture_engines(gone, live=None)
    gone[:].apply_sync(tasks.say_one, 1)
    assert logs.fetch(LIMIT_S)
    gone.close()
    eventually(lambda: logs.complete, "the log to end")
    assert list(logs) == ["native 1"] * 2
    again = capture_engines(client, live=None)
    client[:].apply_sync(tasks.say_one, 2)
    assert again.fetch(LIMIT_S)
    assert list(again)[-2:] == ["native 2", "native 2"]
    again.close()
    logs.close()


def test_two_clients_have_both_all_and_neither_ends_the_other_s(
    cluster: Any, client: Any, logs: WorkersLog
) -> None:
    other = cluster.connect_client_sync()
    other.wait_for_engines(2, timeout=LIMIT_S)
    theirs = capture_engines(other, live=None)
    client[:].apply_sync(tasks.say_one, 1)
    assert logs.fetch(LIMIT_S) and theirs.stop(LIMIT_S)
    other.close()
    client[:].apply_sync(tasks.say_one, 2)
    assert logs.fetch(LIMIT_S)
    assert list(theirs) == ["native 1"] * 2
    assert list(logs) == ["native 1"] * 2 + ["native 2"] * 2
    theirs.close()


def test_a_cluster_that_is_closed_while_a_fetch_runs_ends_the_log(tmp_path: Path) -> None:
    with _started(1, tmp_path) as cluster:
        client = cluster.connect_client_sync()
        client.wait_for_engines(1, timeout=LIMIT_S)
        logs = capture_engines(client, live=None)
        client[:].apply_sync(tasks.write_bulk, 30_000_000)
        fetching = threading.Thread(target=logs.fetch, args=(LIMIT_S,))
        fetching.start()
        client.close()
    assert logs.wait(LIMIT_S)
    fetching.join(LIMIT_S)
    assert not fetching.is_alive()
    assert logs.source("engine 0/stdout").nbytes == 30_000_000
    logs.close()


def test_engines_with_mpi_are_captured_as_others_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mpi4py", reason="needs mpi4py: pip install mpi4py")
    if shutil.which("mpiexec") is None:
        pytest.skip("needs mpiexec: apt-get install openmpi-bin")
    for name in ("ALLOW_RUN_AS_ROOT", "ALLOW_RUN_AS_ROOT_CONFIRM", "MCA_rmaps_base_oversubscribe"):
        monkeypatch.setenv(f"OMPI_{name}", "1")
    with _started(2, tmp_path, engines="mpi") as cluster:
        client = cluster.connect_client_sync()
        client.wait_for_engines(2, timeout=LIMIT_S)
        logs = capture_engines(client, live=None)
        result = client[:].apply_async(tasks.say_rank)
        sizes, ranks = zip(*result.get(LIMIT_S), strict=True)
        assert logs.fetch(LIMIT_S), logs.workers()
        assert sizes == (2, 2)
        for number, rank in enumerate(ranks):
            assert list(logs.source(f"engine {number}")) == [f"rank {rank}"]
        assert sorted(logs.parts(result.msg_ids)) == ["rank 0", "rank 1"]
        logs.close()
        client.close()


def test_an_engine_that_is_cut_off_holds_up_no_other_and_loses_nothing(
    client: Any, logs: WorkersLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "SILENT_S", 0.5)
    eventually(lambda: logs.fetch(LIMIT_S), "both engines")
    pid = client[0].apply_sync(os.getpid)
    os.kill(pid, signal.SIGSTOP)
    try:
        client[1].apply_sync(tasks.say_one, 7)
        eventually(lambda: "native 7" in logs, "the other's line")
        trouble = {each.name: each.trouble for each in logs.workers()}
        assert trouble["engine 1"] == ""
        assert trouble["engine 0"].startswith("engine 0 does not answer: what it writes comes")
    finally:
        os.kill(pid, signal.SIGCONT)
    client[0].apply_sync(tasks.say_one, 8)
    assert eventually(lambda: logs.fetch(LIMIT_S), "an answer of both")
    assert list(logs.source("engine 0")) == ["native 8"]


def test_a_client_of_another_version_is_told_so_and_leaves_nothing(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = client[:].apply_sync(tasks.state)
    monkeypatch.setattr(collector, "VERSION", 99)
    log = capture_engines(client, live=None)
    eventually(lambda: len(log.workers()) == 2, "both engines")
    why = "the client speaks version 99 of the protocol, this worker version 1"
    assert all(each.trouble.endswith(f" is not captured: {why}") for each in log.workers())
    log.close()
    eventually(lambda: client[:].apply_sync(tasks.state) == before, "the engines to be as before")


def test_an_engine_without_us_is_named_and_the_others_are_complete(
    cluster: Any, client: Any, tmp_path: Path
) -> None:
    shadow = tmp_path / "shadow" / "ipyfdcapture"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise ImportError('there is none here')")
    path = os.pathsep.join((str(shadow.parent), private_env(tmp_path)["PYTHONPATH"]))
    with _another_engine(cluster, tmp_path / "bare", PYTHONPATH=path):
        client.wait_for_engines(3, timeout=LIMIT_S)
        log = capture_engines(client, live=None)
        client[[0, 1]].apply_sync(tasks.say_one, 9)
        eventually(lambda: len(log.workers()) == 3, "all engines")
        assert not log.fetch(LIMIT_S)
        assert list(log) == ["native 9"] * 2
        (failed,) = [each for each in log.workers() if each.state == "failed"]
        assert "it has no ipyfdcapture that can serve this one" in failed.trouble
        log.close()
    eventually(lambda: len(client.ids) == 2, "its end")


def test_no_client_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"takes an ipyparallel\.Client, not 3"):
        capture_engines(3)


_PX = """
import os, sys
import ipyparallel
client = ipyparallel.Client({url!r})
client.wait_for_engines(2, timeout=60)
view = client[:]
view.block = True
view.activate()
%load_ext ipyfdcapture.ipyparallel
"""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"live": "nowhere"}, "live"),
        ({"max_bytes": 0}, "max_bytes must be"),
        ({"fetch_bytes": -1}, "fetch_bytes must be"),
        ({"spool_dir": 7}, "spool_dir must be the path of a directory, not 7"),
    ],
)
def test_an_option_that_cannot_be_is_refused_before_any_worker_is_asked(
    wrong: dict[str, Any], message: str
) -> None:
    client = mock.NonCallableMock()
    with pytest.raises(ValueError, match=message):
        capture_engines(client, **wrong)
    assert client.method_calls == []


@pytest.fixture
def px(cluster: Any, fresh_kernel: Kernel) -> Iterator[Kernel]:
    fresh_kernel.ok(_PX.format(url=_connection_file(cluster)))
    yield fresh_kernel
    # A kernel that is killed keeps its engines captured until they miss it.
    fresh_kernel.run("%unload_ext ipyfdcapture.ipyparallel")


def test_px_shows_engines_lines_under_its_cell_as_they_come(px: Kernel) -> None:
    reply = px.ok("%%px\nfrom scripts.clusters import tasks\n_ = tasks.say(5)")
    shown = reply.shown

    def is_all(messages: list[Any]) -> bool:
        text = shown + "".join(
            message["content"].get("text", "")
            for message in messages
            if message["parent_header"].get("msg_id") == reply.msg_id
        )
        wanted = [f"[engine {n}] {way} 5" for n in (0, 1) for way in ("python", "native", "child")]
        return all(line in text for line in wanted)

    if not is_all([]):
        px.until(is_all)


def test_px_keeps_what_a_cell_wrote(px: Kernel) -> None:
    px.ok("%%px --capture first\nfrom scripts.clusters import tasks\n_ = tasks.say_one(1)")
    px.ok("%%px --capture second\n_ = tasks.say_one(2)")
    assert px.value("sorted(first)") == ["native 1"] * 2
    assert px.value("sorted(second)") == ["native 2"] * 2
    assert px.value("sorted({line.source for line in second})") == [
        "engine 0/stdout",
        "engine 1/stdout",
    ]
    px.ok("from scripts.clusters.tasks import say_one")
    px.ok("result = client[:].apply_async(say_one, 3)")
    px.ok("result.get(60)")
    assert px.value("sorted(result.captured)") == ["native 3"] * 2


def test_px_keeps_what_children_of_a_cell_write_late(px: Kernel, tmp_path: Path) -> None:
    go = tmp_path / "go"
    px.ok(
        "%%px --capture left\nfrom scripts.clusters import tasks\n"
        f"tasks.leave_a_child('one', {str(go)!r})"
    )
    assert px.value("(sorted(left), left.complete)") == (["one began"] * 2, False)
    px.ok(f"%%px --capture next\ntasks.wait_for_children({str(go)!r}, 'one')")
    assert px.value("left.wait(60)") is True
    assert px.value("sorted(left)") == ["one began"] * 2 + ["one error"] * 2 + ["one late"] * 2
    assert px.value("sorted(next)") == ["meanwhile"] * 2


def test_px_capture_needs_a_name(px: Kernel) -> None:
    reply = px.run("%%px --capture\n1")
    assert reply.error == ("UsageError", "%%px --capture takes the name of a variable, not ''")


def test_unloading_takes_everything_away(px: Kernel, tmp_path: Path) -> None:
    px.ok("%unload_ext ipyfdcapture.ipyparallel")
    assert px.value("hasattr(ipyparallel.AsyncResult, 'captured')") is False
    # Engines are told within a moment, or learn it once they are asked again.
    shown = eventually(lambda: px.ok("%%px\nprint('as before')").shown, "an engine's output")
    assert "as before" in shown and "[engine" not in shown
