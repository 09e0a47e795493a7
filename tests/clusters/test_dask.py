"""Workers of a real Dask cluster."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed", reason="needs Dask: pip install 'ipyfdcapture[dask]'")

from helpers.clients import client_to_be_killed
from helpers.clocks import HOUR_S, ShiftedClock, WrongClockCheck
from helpers.fixtures import Rounds
from helpers.native import Native
from helpers.process import private_env, the_pump
from helpers.proxy import Proxy, free_port
from helpers.small_disk import on_small_disk
from helpers.wait import LIMIT_S, eventually
from scripts.clusters import tasks

from ipyfdcapture import capture_fd
from ipyfdcapture.cluster import collector, service
from ipyfdcapture.cluster.workers_log import WorkersLog
from ipyfdcapture.dask import capture_workers

_LINES = 20_000


@pytest.fixture(scope="module")
def _processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler and two workers of their own, as on a real cluster; the scheduler's address."""
    directory = tmp_path_factory.mktemp("dask")
    env = private_env(directory, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
    address = directory / "address.json"
    options: dict[str, Any] = {"env": env, "cwd": directory, "stdin": subprocess.DEVNULL}
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    with open(directory / "log", "wb") as log:
        options |= {"stdout": log, "stderr": log}
        started = [
            subprocess.Popen(
                [*command, "--port", "0", "--no-dashboard", "--scheduler-file", str(address)],
                **options,
            )
        ]
        for name in ("worker-1", "worker-2"):
            started.append(_start_worker(name, address, directory, options))
        try:
            yield str(address)
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(LIMIT_S)


def _start_worker(
    name: str,
    address: Path,
    directory: Path,
    options: dict[str, Any],
    *more: str,
    before: Sequence[str] = (),
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(*before, sys.executable, "-m", "distributed.cli.dask_worker"),
            *("--scheduler-file", str(address), "--nthreads", "1", "--name", name),
            *("--no-dashboard", "--local-directory", str(directory), *more),
        ],
        **options,
    )


@contextmanager
def another_worker(
    name: str, address: str, directory: Path, *more: str, before: Sequence[str] = (), **env: str
) -> Iterator[None]:
    """A worker more, for as long as it lasts; with more options and variables, if it needs them.

    ``before`` stands before its command.
    """
    directory.mkdir(exist_ok=True)
    options: dict[str, Any] = {"env": {**private_env(directory), **env}, "cwd": directory}
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    options |= {**quiet, "stderr": subprocess.DEVNULL}
    process = _start_worker(
        name, Path(address), directory, options, "--no-nanny", *more, before=before
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(LIMIT_S)


@pytest.fixture
def client(_processes: str) -> Iterator[Any]:
    from distributed import Client

    eventually(lambda: os.path.exists(_processes), "the scheduler")
    with Client(scheduler_file=_processes) as client:
        client.wait_for_workers(2, LIMIT_S)
        yield client
        client.run(tasks.forget_clients)  # what a test leaves, no other test finds


@pytest.fixture
def logs(client: Any) -> Iterator[WorkersLog]:
    with closing(capture_workers(client, live=None, tasks=True)) as log:
        yield log


def said(log: Any) -> list[str]:
    """Return the lines of tasks: Dask's own messages go to a worker's stderr, too."""
    return [line for line in log if " - distributed." not in line]


def _address(client: Any, name: str) -> str:
    workers = client.scheduler_info(n_workers=-1)["workers"]
    return next(address for address, worker in workers.items() if worker["name"] == name)


def by_worker(client: Any, function: Any, *arguments: Any) -> dict[str, Any]:
    """Run a function on each worker, as a task; return what it returned by the worker's name."""
    names = {
        address: worker["name"]
        for address, worker in client.scheduler_info(n_workers=-1)["workers"].items()
    }
    futures = {
        name: client.submit(function, *arguments, workers=[address], pure=False, retries=0)
        for address, name in names.items()
    }
    return {name: future.result(LIMIT_S) for name, future in futures.items()}


def test_each_worker_s_output_is_found_by_its_name(client: Any, logs: WorkersLog) -> None:
    by_worker(client, tasks.say, 7)
    assert logs.fetch(LIMIT_S)
    for name in ("worker-1", "worker-2"):
        lines = logs.source(name)
        assert sorted(said(lines)) == ["child 7", "error: 7", "native 7", "python 7"]
        assert {line.source for line in lines} == {f"{name}/stdout", f"{name}/stderr"}
        assert said(logs.source(f"{name}/stderr")) == ["error: 7"]


def test_a_flood_and_code_that_holds_the_gil_are_complete(client: Any, logs: WorkersLog) -> None:
    by_worker(client, tasks.flood, _LINES, 3)
    assert logs.fetch(LIMIT_S)
    expected = "".join(f"3: line {i}\n" for i in range(_LINES)) + "x" * (2 << 20) + "\n"
    for name in ("worker-1", "worker-2"):
        assert logs.source(f"{name}/stdout").text == expected
    assert len(logs.on_workers) >= 2 * (_LINES + 1)


def test_each_task_s_output_is_its_own(client: Any, logs: WorkersLog) -> None:
    futures = client.map(tasks.say_one, range(30), pure=False)
    client.gather(futures)
    assert [logs.task(each).text for each in futures] == [f"native {i}\n" for i in range(30)]
    assert logs.task(futures[3].key)[0].source in ("worker-1/stdout", "worker-2/stdout")
    with pytest.raises(KeyError, match="no worker knows of a task 'none'"):
        logs.task("none")


def test_what_a_task_s_child_writes_late_stays_with_its_task(
    client: Any, logs: WorkersLog, tmp_path: Path
) -> None:
    go = str(tmp_path / "go")
    on_one: dict[str, Any] = {"workers": [_address(client, "worker-1")], "pure": False}
    left = [client.submit(tasks.leave_a_child, word, go, **on_one) for word in ("one", "two")]
    client.gather(left)
    one, two = map(logs.task, left)
    assert (list(one), list(two)) == (["one began"], ["two began"])
    meanwhile = client.submit(tasks.wait_for_children, go, "one", "two", **on_one)
    meanwhile.result(LIMIT_S)
    for log, word in ((one, "one"), (two, "two")):
        assert log.wait(LIMIT_S) and log.complete
        assert sorted(log) == [f"{word} began", f"{word} error", f"{word} late"]
    assert list(logs.task(meanwhile)) == ["meanwhile"]
    assert sorted(logs.task(left[0])) == sorted(one)
    assert logs.fetch(LIMIT_S)
    assert sorted(said(logs)) == sorted(["meanwhile", *one, *two])


def test_a_capture_of_the_client_has_what_workers_write_meanwhile(
    client: Any, logs: WorkersLog
) -> None:
    by_worker(client, tasks.say_one, 1)
    with capture_fd() as cell:
        by_worker(client, tasks.say_one, 2)
    by_worker(client, tasks.say_one, 3)
    assert sorted((line.source, line) for line in cell if line in said(cell)) == [
        ("worker-1/stdout", "native 2"),
        ("worker-2/stdout", "native 2"),
    ]


@pytest.mark.parametrize("way", ["kill", "abort", "no memory"])
def test_a_killed_worker_s_last_words_are_in_the_log_and_it_is_captured_again(
    client: Any, logs: WorkersLog, way: str
) -> None:
    from distributed import KilledWorker

    address = _address(client, "worker-1")
    eventually(lambda: logs.fetch(LIMIT_S), "both workers")
    with pytest.raises(KilledWorker):
        client.submit(tasks.say_and_die, "last words", way, workers=[address], retries=0).result(
            LIMIT_S
        )
    eventually(lambda: "last words" in logs, "the last words")
    client.wait_for_workers(2, LIMIT_S)

    def is_back() -> bool:
        status = next(each for each in logs.workers() if each.name == "worker-1")
        return status.state == "running" and status.restarts == 1

    eventually(is_back, "the worker to be back")
    by_worker(client, tasks.say_one, 4)
    assert logs.fetch(LIMIT_S)
    assert said(logs.source("worker-1")) == ["last words", "native 4"]


def test_a_killed_worker_that_has_no_nanny_loses_nothing(
    client: Any, _processes: str, tmp_path: Path
) -> None:
    from distributed import KilledWorker

    with another_worker("alone", _processes, tmp_path / "alone"):
        client.wait_for_workers(3, LIMIT_S)
        log = capture_workers(client, live=None)
        assert log.fetch(LIMIT_S), log.workers()
        killed = client.submit(
            tasks.say_and_die, "last words", "kill", workers=["alone"], retries=0
        )
        with pytest.raises(KilledWorker):
            killed.result(LIMIT_S)
        eventually(lambda: "last words" in log, "the last words")
        by_worker(client, tasks.say_one, 1)
        assert eventually(lambda: log.fetch(LIMIT_S), "all of it"), log.workers()
        assert sorted(said(log)) == ["last words", "native 1", "native 1"]
        assert _states(log)["alone"] == "lost"
        log.close()


def test_workers_that_the_client_restarts_are_captured_again(client: Any, logs: WorkersLog) -> None:
    by_worker(client, tasks.say_one, 1)
    client.restart(timeout=LIMIT_S)
    client.wait_for_workers(2, LIMIT_S)
    by_worker(client, tasks.say_one, 2)
    assert eventually(lambda: logs.fetch(LIMIT_S), "all of it"), logs.workers()
    for name in ("worker-1", "worker-2"):
        assert said(logs.source(f"{name}/stdout")) == ["native 1", "native 2"]
    assert [(each.name, each.restarts, each.state) for each in logs.workers()] == [
        ("worker-1", 1, "running"),
        ("worker-2", 1, "running"),
    ]
    assert all(each.last_line and each.silent_s is not None for each in logs.workers())


def test_a_cell_has_what_a_worker_writes_that_comes_for_it_and_goes_again() -> None:
    from distributed import Client, LocalCluster

    options = {"n_workers": 0, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        logs = capture_workers(client, live=None)
        assert logs.fetch(LIMIT_S) and len(logs) == 0
        for number in range(2):
            with capture_fd() as cell:
                cluster.scale(1)
                client.submit(tasks.say_one, number).result(LIMIT_S)
            assert said(cell) == [f"native {number}"]
            cluster.scale(0)
            eventually(lambda: not client.scheduler_info(n_workers=-1)["workers"], "its end")
        assert logs.fetch(LIMIT_S), logs.workers()
        assert said(logs) == ["native 0", "native 1"]
        logs.close()


def test_a_worker_that_leads_its_descriptors_elsewhere_or_forks_is_served_on(
    client: Any, _processes: str, tmp_path: Path
) -> None:
    with another_worker("odd", _processes, tmp_path / "odd"):
        client.wait_for_workers(3, LIMIT_S)
        log = capture_workers(client, live=None)
        for task in (tasks.say_in_a_fork, tasks.close_descriptors):
            client.submit(task, workers=["odd"], pure=False).result(LIMIT_S)
        by_worker(client, tasks.say_one, 1)
        assert log.fetch(LIMIT_S), log.workers()
        assert sorted(said(log.source("odd"))) == ["before", "child", "parent"]
        assert said(log.source("worker-1")) == ["native 1"]
        log.close()
        eventually(lambda: not any(client.run(tasks.is_captured).values()), "nobody to capture")
    eventually(lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == 2, "its end")


def test_what_dask_itself_prints_forwards_and_logs_is_as_before(
    client: Any, logs: WorkersLog, capsys: pytest.CaptureFixture[str]
) -> None:
    from distributed.diagnostics.plugin import ForwardOutput

    client.register_plugin(ForwardOutput(), name="forward-output")
    shown = ""

    def is_shown() -> bool:
        nonlocal shown
        shown += capsys.readouterr().out
        return shown.count("printed\n") >= 2 and shown.count("python\n") >= 2

    try:
        by_worker(client, tasks.print_by_dask)
        eventually(is_shown, "what the client prints")
        assert logs.fetch(LIMIT_S)
        for name in ("worker-1", "worker-2"):
            lines = logs.source(name)
            assert sorted(said(lines)) == ["printed", "python"]
            assert len(lines.grep("distributed.worker - WARNING - logged")) == 1
        kept = client.get_worker_logs(n=20)
        assert all(any("logged" in text for _, text in lines) for lines in kept.values())
    finally:
        client.unregister_worker_plugin("forward-output")


def test_a_limit_keeps_the_beginning_and_the_end_and_says_what_is_missing(client: Any) -> None:
    log = capture_workers(client, live=None, max_bytes=2_000_000, fetch_bytes=1)
    by_worker(client, tasks.write_bulk, 30_000_000)
    by_worker(client, tasks.say_one, 1)
    assert not log.fetch(LIMIT_S)
    for name in ("worker-1", "worker-2"):
        lines = log.source(f"{name}/stdout")
        assert 2_000_000 <= lines.nbytes < 10_000_000 and lines[-1] == "native 1"
    assert all("max_bytes had dropped them" in each.trouble for each in log.workers())
    log.close()


def test_a_worker_that_holds_the_gil_holds_up_no_other(
    client: Any, logs: WorkersLog, monkeypatch: pytest.MonkeyPatch, rounds: Rounds
) -> None:
    seconds = rounds(4, full=60)
    monkeypatch.setattr(collector, "SILENT_S", 0.5)
    workers = client.scheduler_info(n_workers=-1)["workers"]
    first, second = sorted(workers, key=lambda address: workers[address]["name"])
    eventually(lambda: logs.fetch(LIMIT_S), "both workers")
    stuck = client.submit(tasks.hold_the_gil, seconds, workers=[first], pure=False)
    eventually(lambda: "holding" in logs, "what it wrote before, and while, it was stuck")
    client.submit(tasks.say_one, 5, workers=[second], pure=False).result(LIMIT_S)
    eventually(lambda: "native 5" in logs, "the other's line")
    stuck.result(LIMIT_S + seconds)
    assert eventually(lambda: logs.fetch(LIMIT_S), "an answer of the one that was stuck")


def test_a_worker_that_is_killed_in_the_middle_of_a_fetch_loses_nothing(
    client: Any, logs: WorkersLog
) -> None:
    from distributed import KilledWorker

    first = _address(client, "worker-1")
    eventually(lambda: logs.fetch(LIMIT_S), "both workers")
    killed = client.submit(
        tasks.write_bulk_and_die, 60_000_000, "end", workers=[first], pure=False, retries=0
    )
    with pytest.raises(KilledWorker):
        killed.result(LIMIT_S)
    client.wait_for_workers(2, LIMIT_S)
    by_worker(client, tasks.say_one, 6)
    eventually(lambda: logs.fetch(LIMIT_S) and "end" in logs.source("worker-1"), "all of it")
    lines = logs.source("worker-1/stdout")
    assert lines.nbytes == 60_000_000 + len("end\nnative 6\n")
    assert list(lines[-2:]) == ["end", "native 6"]
    assert said(logs.source("worker-2")) == ["native 6"]


def test_a_worker_that_is_cut_off_holds_up_no_other_and_loses_nothing(
    client: Any, logs: WorkersLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "SILENT_S", 0.5)
    first, second = (_address(client, name) for name in ("worker-1", "worker-2"))
    pid = client.run(os.getpid, workers=[first])[first]
    eventually(lambda: logs.fetch(LIMIT_S), "both workers")
    os.kill(pid, signal.SIGSTOP)
    try:
        client.submit(tasks.say_one, 7, workers=[second], pure=False).result(LIMIT_S)
        eventually(lambda: "native 7" in logs, "the other's line")
        trouble = {each.name: each.trouble for each in logs.workers()}
        assert trouble["worker-2"] == ""
        assert trouble["worker-1"].startswith("worker-1 does not answer: what it writes comes")
    finally:
        os.kill(pid, signal.SIGCONT)
    client.submit(tasks.say_one, 8, workers=[first], pure=False).result(LIMIT_S)
    assert eventually(lambda: logs.fetch(LIMIT_S), "an answer of both")
    assert said(logs.source("worker-1")) == ["native 8"]


def test_a_worker_whose_connections_are_dropped_loses_nothing(
    client: Any, _processes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "SILENT_S", 0.5)
    own = free_port()
    with (
        Proxy(own) as proxy,
        another_worker(
            "remote",
            _processes,
            tmp_path / "remote",
            *("--listen-address", f"tcp://127.0.0.1:{own}"),
            *("--contact-address", f"tcp://127.0.0.1:{proxy.port}"),
        ),
    ):
        client.wait_for_workers(3, LIMIT_S)
        log = capture_workers(client, live=None)
        eventually(lambda: len(log.workers()) == 3, "all workers")
        by_worker(client, tasks.say_one, 1)
        assert eventually(lambda: log.fetch(LIMIT_S), "all of it"), log.workers()
        proxy.cut()
        client.submit(tasks.say_one, 2, workers=["worker-1"], pure=False).result(LIMIT_S)
        eventually(lambda: "native 2" in log, "the line of one that can be reached")
        eventually(lambda: _states(log)["remote"] == "silent", "its silence to be noticed")
        proxy.mend()
        eventually(lambda: _states(log)["remote"] == "running", "it to be heard again")
        by_worker(client, tasks.say_one, 3)
        assert eventually(lambda: log.fetch(LIMIT_S), "all of it"), log.workers()
        assert said(log.source("remote")) == ["native 1", "native 3"]
        log.close()
    eventually(lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == 2, "its end")


def _states(log: WorkersLog) -> dict[str, str]:
    return {each.name: each.state for each in log.workers()}


def test_a_worker_with_a_full_disk_is_named_and_the_other_is_complete(
    client: Any, logs: WorkersLog
) -> None:
    first = _address(client, "worker-1")
    helper = the_pump(client.run(os.getpid, workers=[first])[first]).pid
    unlimited = resource.prlimit(helper, resource.RLIMIT_FSIZE)
    resource.prlimit(helper, resource.RLIMIT_FSIZE, (1_000_000, unlimited[1]))
    try:
        by_worker(client, tasks.write_bulk, 3_000_000)
        assert not logs.fetch(LIMIT_S)
        status = {each.name: each for each in logs.workers()}
        assert logs.source("worker-2/stdout").nbytes == 3_000_000
        assert status["worker-2"].trouble == ""
        assert "of worker-1 are missing: " in status["worker-1"].trouble
        assert "\n" not in status["worker-1"].trouble
    finally:
        resource.prlimit(helper, resource.RLIMIT_FSIZE, unlimited)


def test_a_worker_on_a_disk_that_is_full_is_named_and_the_others_are_complete(
    client: Any, _processes: str, tmp_path: Path
) -> None:
    directory = tmp_path / "full"
    directory.mkdir()
    disk = Path(private_env(directory)["TMPDIR"])
    before = on_small_disk(disk, 2_000_000)
    with another_worker("full", _processes, directory, before=before):
        client.wait_for_workers(3, LIMIT_S)
        log = capture_workers(client, live=None)
        by_worker(client, tasks.write_bulk, 3_000_000)
        assert not log.fetch(LIMIT_S)
        troubles = {each.name: each.trouble for each in log.workers()}
        assert troubles["worker-1"] == troubles["worker-2"] == ""
        assert troubles["full"].endswith(" of full are missing: No space left on device")
        assert 1_000_000 < log.source("full/stdout").nbytes < 2_000_000
        assert all(
            log.source(f"{name}/stdout").nbytes == 3_000_000 for name in ("worker-1", "worker-2")
        )
        log.close()
    eventually(lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == 2, "its end")


def test_a_client_of_another_version_is_told_so_and_leaves_nothing(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "VERSION", 99)
    log = capture_workers(client, live=None)
    eventually(lambda: len(log.workers()) == 2, "both workers")
    assert {each.state for each in log.workers()} == {"failed"}
    why = "the client speaks version 99 of the protocol, this worker version 1"
    assert all(each.trouble.endswith(f" is not captured: {why}") for each in log.workers())
    log.close()
    eventually(lambda: not any(client.run(tasks.is_captured).values()), "nobody to capture")


def test_a_worker_without_us_is_named_and_the_others_are_complete(
    client: Any, _processes: str, tmp_path: Path
) -> None:
    shadow = tmp_path / "shadow" / "ipyfdcapture"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise ImportError('there is none here')")
    env = private_env(tmp_path)
    path = os.pathsep.join((str(shadow.parent), env["PYTHONPATH"]))
    with another_worker("bare", _processes, tmp_path / "bare", PYTHONPATH=path):
        client.wait_for_workers(3, LIMIT_S)
        log = capture_workers(client, live=None)
        by_worker(client, tasks.say_one, 9)
        eventually(lambda: len(log.workers()) == 3, "all workers")
        assert not log.fetch(LIMIT_S)
        assert said(log) == ["native 9"] * 2
        (failed,) = [each for each in log.workers() if each.state == "failed"]
        assert "it has no ipyfdcapture that can serve this one" in failed.trouble
        log.close()
    eventually(lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == 2, "its end")


def test_a_worker_s_clock_may_be_an_hour_off_and_be_set_meanwhile(
    client: Any, _processes: str, tmp_path: Path, native: Native
) -> None:
    clock = ShiftedClock(native, tmp_path, HOUR_S)
    with another_worker("wrong", _processes, tmp_path / "wrong", **clock.env):
        client.wait_for_workers(3, LIMIT_S)
        log = capture_workers(client, live=None)

        def say(name: str, number: int) -> None:
            where = [_address(client, name)]
            client.submit(tasks.say_one, number, workers=where, pure=False).result(LIMIT_S)

        check = WrongClockCheck(log, clock, say, ("worker-1", "wrong"))
        check.write_in_turns(range(100, 104))
        with capture_fd() as cell:
            check.say(110)
            assert log.fetch(LIMIT_S), log.workers()
        assert said(cell) == ["native 110"]
        check.check_found(log.on_workers.grep("native"))
        clock.set(-HOUR_S)
        check.say(111)
        check.write_in_turns(range(120, 124))
        check.check_the_rest()
        log.close()
    eventually(lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == 2, "its end")


#: Each with a line of its own, and what it is called in the log.
_HOSTILE_NAMES = {
    "../../x\u202e\x1b]0;owned\x07" + "y" * 10_000: f"..-..-x??]0;owned?{'y' * 22}…{'y' * 39}",
    "stdout": "worker stdout",
    "worker-1/stdout": "worker-1-stdout",
    "cell 3": "worker cell 3",
}


def test_hostile_names_are_shown_harmlessly_and_each_worker_is_found_by_its_own(
    client: Any, _processes: str, tmp_path: Path
) -> None:
    log = capture_workers(client, live=None)
    with contextlib.ExitStack() as workers:
        for number, name in enumerate(_HOSTILE_NAMES):
            workers.enter_context(another_worker(name, _processes, tmp_path / f"worker {number}"))
        client.wait_for_workers(2 + len(_HOSTILE_NAMES), LIMIT_S)
        eventually(lambda: len(log.workers()) == 2 + len(_HOSTILE_NAMES), "all workers")
        before = set(os.listdir(tempfile.gettempdir()))
        for number, name in enumerate(["worker-1", *_HOSTILE_NAMES]):
            where = [_address(client, name)]
            client.submit(tasks.say_one, number, workers=where, pure=False).result(LIMIT_S)
        assert log.fetch(LIMIT_S), log.workers()
        for number, label in enumerate(["worker-1", *_HOSTILE_NAMES.values()]):
            lines = log.source(label)
            assert said(lines) == [f"native {number}"]
            assert {line.source for line in lines} <= {f"{label}/stdout", f"{label}/stderr"}
        assert repr(log.workers()).replace("\n", "").isprintable()
        assert set(os.listdir(tempfile.gettempdir())) <= before
        assert not list(tmp_path.glob("*stdout*"))
        log.close()
    eventually(lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == 2, "their end")


def test_hostile_names_and_lines_stay_data(client: Any, _processes: str, tmp_path: Path) -> None:
    name = "<script>alert(2)</script>\x1b[31m\nstdout"
    with another_worker(name, _processes, tmp_path / "hostile"):
        client.wait_for_workers(3, LIMIT_S)
        log = capture_workers(client, live=None)
        address = _address(client, name)
        client.submit(tasks.write_hostile_bytes, workers=[address], pure=False).result(LIMIT_S)
        assert log.fetch(LIMIT_S)
        label = "<script>alert(2)<-script>?[31m?stdout"
        assert log.source(f"{label}/stdout").raw == tasks.HOSTILE_BYTES
        assert log.source(f"{label}/stderr").nbytes >= 3_000_001
        page = log._repr_mimebundle_()["text/html"]
        for shown in (repr(log.workers()), page):
            assert "\x1b" not in shown
            assert "\x00" not in shown
        assert "<script>" not in page
        log.close()
    eventually(lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == 2, "its end")


def test_two_logs_have_both_all_and_the_last_to_close_leaves_nothing(client: Any) -> None:
    before = client.run(tasks.state)
    first = capture_workers(client, live=None)
    second = capture_workers(client, live=None)
    by_worker(client, tasks.say_one, 1)
    assert first.fetch(LIMIT_S) and second.fetch(LIMIT_S)
    first.close()
    by_worker(client, tasks.say_one, 2)
    assert second.fetch(LIMIT_S)
    assert sorted(said(second)) == ["native 1", "native 1", "native 2", "native 2"]
    assert client.run(tasks.state) != before
    second.close()
    assert eventually(lambda: client.run(tasks.state) == before, "the workers to be as before")


def test_two_clients_have_both_all_and_neither_ends_the_other_s(
    client: Any, _processes: str
) -> None:
    from distributed import Client

    mine = capture_workers(client, live=None)
    with Client(scheduler_file=_processes, set_as_default=False) as other:
        theirs = capture_workers(other, live=None)
        by_worker(client, tasks.say_one, 1)
        assert mine.fetch(LIMIT_S) and theirs.stop(LIMIT_S)
    by_worker(client, tasks.say_one, 2)
    assert mine.fetch(LIMIT_S)
    assert said(theirs) == ["native 1"] * 2
    assert sorted(said(mine)) == ["native 1"] * 2 + ["native 2"] * 2
    theirs.close()
    mine.close()


def test_a_worker_s_own_log_has_its_output_as_before(client: Any, _processes: str) -> None:
    own = Path(_processes).parent / "log"
    logs = capture_workers(client)
    by_worker(client, tasks.say_one, 1234)
    eventually(lambda: own.read_bytes().count(b"native 1234\n") >= 2, "the lines in the log file")
    logs.close()
    assert own.read_bytes().count(b"native 1234\n") == 2  # and none twice


def test_a_client_that_comes_back_finds_the_workers_captured_once(_processes: str) -> None:
    from distributed import Client

    client = Client(scheduler_file=_processes)
    client.wait_for_workers(2, LIMIT_S)
    logs = capture_workers(client, live=None)
    by_worker(client, tasks.say_one, 1)
    assert logs.fetch(LIMIT_S)
    client.close()
    eventually(lambda: logs.complete, "the log to end", timeout=LIMIT_S)
    assert said(logs) == ["native 1"] * 2
    with Client(scheduler_file=_processes) as client:
        again = capture_workers(client, live=None)
        by_worker(client, tasks.say_one, 2)
        assert again.fetch(LIMIT_S)
        assert sorted(said(again))[-2:] == ["native 2", "native 2"]
        again.close()
    logs.close()


def test_workers_are_as_before_soon_after_a_client_was_killed(
    client: Any, _processes: str, tmp_path: Path
) -> None:
    client.run(tasks.set_lease, 3.0, 0.25)
    # Clients of tests before this one may have gone without a word.
    eventually(lambda: not any(client.run(tasks.is_captured).values()), "nobody to capture")
    before = client.run(tasks.state)
    with client_to_be_killed("dask", _processes, tmp_path):
        assert client.run(tasks.state) != before
    eventually(lambda: client.run(tasks.state) == before, "the workers to be as before")
    client.run(tasks.set_lease, service.LEASE_S, service.LOOK_S)


def test_what_cannot_be_captured_is_refused_in_one_line(client: Any) -> None:
    from distributed import Client, LocalCluster

    with pytest.raises(ValueError, match=r"takes a dask\.distributed\.Client, not 3"):
        capture_workers(3)
    with pytest.raises(ValueError, match="live must be"):
        capture_workers(client, live="nowhere")
    with pytest.raises(ValueError, match="max_bytes must be a positive number"):
        capture_workers(client, max_bytes=0)
    options: dict[str, Any] = {"dashboard_address": ":0", "n_workers": 1, "threads_per_worker": 2}
    with (
        LocalCluster(processes=False, **options) as cluster,
        Client(cluster) as own,
        pytest.raises(ValueError, match="are threads of this process: use capture_fd"),
    ):
        capture_workers(own)


def test_tasks_are_refused_where_a_worker_has_more_threads_than_one(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "nthreads", lambda: {"a": 2, "b": 1})
    with pytest.raises(ValueError, match="these have up to 2, and native code does not say"):
        capture_workers(client, tasks=True)


def test_the_scheduler_of_a_notebook_says_nothing_of_our_questions_to_a_worker_that_died(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from distributed import Client, KilledWorker, LocalCluster

    options: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(n_workers=2, **options) as cluster, Client(cluster) as client:
        logs = capture_workers(client, live=None)
        assert logs.fetch(LIMIT_S)
        with pytest.raises(KilledWorker):
            client.submit(tasks.say_and_die, "last words", "kill", retries=0).result(LIMIT_S)
        eventually(lambda: any(each.restarts for each in logs.workers()), "another in its place")
        logs.close()
    said_of_it = [each.getMessage() for each in caplog.records if "broadcast" in each.getMessage()]
    assert said_of_it == []


def test_a_closed_cluster_ends_the_log() -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        logs = capture_workers(client, live=None)
        client.gather(client.map(tasks.say_one, range(10)))
        assert logs.fetch(LIMIT_S)
        # Closed while a fetch runs: that ends, and all that can be had is read.
        client.submit(tasks.write_bulk, 30_000_000).result(LIMIT_S)
        fetching = threading.Thread(target=logs.fetch, args=(LIMIT_S,))
        fetching.start()
    assert logs.wait(LIMIT_S)
    fetching.join(LIMIT_S)
    assert not fetching.is_alive()
    assert sorted(logs)[:10] == sorted(f"native {i}" for i in range(10))
    assert logs.nbytes == 30_000_000 + 10 * len("native 0\n")
    logs.close()
