"""Output of clusters' workers: real local clusters of Dask and ipyparallel, and simulated ones.

    python tests/benchmarks/bench_cluster.py [--only NAME] [--json FILE]

Each figure stands beside its target, with a verdict. Ratios are of work in turns, in one run. All
of it takes some five minutes on two cores that do nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
for place in (HERE, HERE.parent, HERE.parent.parent):
    sys.path.insert(0, str(place))

from common import describe_run, peak_bytes, plain_table  # noqa: E402


@dataclass(frozen=True)
class Row:
    """One figure."""

    work: str
    measured: float
    target: float
    unit: str = ""
    #: What else there is to say.
    note: str = ""
    #: Whether it is to be reached or passed, and not to be kept below.
    is_least: bool = False

    @property
    def columns(self) -> tuple[str, str, str, str]:
        has_reached = (
            self.measured >= self.target if self.is_least else self.measured <= self.target
        )
        note = f" ({self.note})" if self.note else ""
        return (
            self.work,
            f"{self.measured:.3g}{self.unit}{note}",
            f"{self.target:g}{self.unit}",
            "reached" if has_reached else "MISSED",
        )


LIMIT_S = 600.0


# -- what workers run -----------------------------------------------------------------------------


def flood(lines: int, held_bytes: int) -> float:
    """Write native lines, and some bytes while the GIL is held; return the seconds it took."""
    import ctypes  # functions go to the workers without their module
    import time

    libc = ctypes.PyDLL(None)
    started = time.monotonic()
    for i in range(lines):
        libc.printf(b"line %d\n", i)
    if held_bytes:
        libc.printf(b"%s\n", b"x" * held_bytes)
    libc.fflush(None)
    return time.monotonic() - started


def bulk(nbytes: int) -> float:
    """Write so many bytes as large blocks; return the seconds it took."""
    import os
    import time

    block = (b"x" * 99 + b"\n") * 10_000
    started = time.monotonic()
    for _ in range(nbytes // len(block)):
        os.write(1, block)
    return time.monotonic() - started


def print_lines(count: int) -> float:
    """Write native lines without the GIL; return the seconds it took.

    With it, an engine that is not captured stands still for ever: its reader cannot read.
    """
    import ctypes
    import time

    libc = ctypes.CDLL(None)
    started = time.monotonic()
    for i in range(count):
        libc.printf(b"line %d\n", i)
    libc.fflush(None)
    return time.monotonic() - started


def stamp(_: int) -> float:
    import os
    import time

    os.write(1, b"stamp %f\n" % time.time())
    return 0.0


def hold(seconds: float) -> None:
    """Say so, and let no other thread run."""
    import ctypes
    import os

    os.write(1, b"holding\n")
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))


def nothing(number: int) -> int:
    return number


# -- clusters -------------------------------------------------------------------------------------


@contextmanager
def dask_client(workers: int) -> Iterator[Any]:
    from distributed import Client

    directory = tempfile.mkdtemp()
    address = os.path.join(directory, "scheduler.json")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path[:3]))}
    # As on a cluster, a worker's output goes to a file.
    log = os.open(os.path.join(directory, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    quiet: dict[str, Any] = {"stdout": log, "stderr": log, "env": env}
    python = [sys.executable, "-m"]
    scheduler = [*python, "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]
    worker = [*python, "distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard"]
    started = [subprocess.Popen([*scheduler, "--scheduler-file", address], **quiet)]
    where = ["--scheduler-file", address, "--local-directory", directory]
    for i in range(workers):
        started.append(subprocess.Popen([*worker, *where, "--name", f"worker-{i}"], **quiet))
    try:
        while not os.path.exists(address):
            time.sleep(0.05)
        with Client(scheduler_file=address) as client:
            client.wait_for_workers(workers, LIMIT_S)
            client.run(lambda: sys.path.insert(0, str(HERE)))
            yield client
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()
        os.close(log)


@contextmanager
def engines(number: int) -> Iterator[Any]:
    import ipyparallel

    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, sys.path[:3]))
    with ipyparallel.Cluster(n=number, log_level=40) as client:
        yield client


@contextmanager
def local_dask(workers: int) -> Iterator[tuple[Any, Callable[[], None]]]:
    """A cluster as a notebook has it, and what closes it."""
    from distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
    client = Client(cluster)

    def close() -> None:
        client.close()
        cluster.close()

    yield client, close


@contextmanager
def local_engines(number: int) -> Iterator[tuple[Any, Callable[[], None]]]:
    import ipyparallel

    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, sys.path[:3]))
    cluster = ipyparallel.Cluster(n=number, log_level=40)
    client = cluster.start_and_connect_sync(activate=False)

    def close() -> None:
        cluster.stop_cluster_sync()
        client.close()

    yield client, close


class _Dask:
    name = "Dask"
    open = staticmethod(dask_client)
    open_local = staticmethod(local_dask)

    @staticmethod
    def start(client: Any, function: Callable[..., Any], *arguments: Any) -> Any:
        first = next(iter(client.scheduler_info(n_workers=-1)["workers"]))
        return client.submit(function, *arguments, workers=[first], pure=False)

    @staticmethod
    def wait(started: Any) -> None:
        started.result(LIMIT_S)

    @staticmethod
    def capture(client: Any) -> Any:
        from ipyfdcapture.dask import capture_workers

        return capture_workers(client, live=None, fetch_bytes=None)

    @staticmethod
    def run(client: Any, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        addresses = list(client.scheduler_info(n_workers=-1)["workers"])
        futures = [
            client.submit(function, *arguments, workers=[each], pure=False) for each in addresses
        ]
        return list(client.gather(futures))


class _IPyParallel:
    name = "ipyparallel"
    open = staticmethod(engines)
    open_local = staticmethod(local_engines)

    @staticmethod
    def start(client: Any, function: Callable[..., Any], *arguments: Any) -> Any:
        return client[0].apply_async(function, *arguments)

    @staticmethod
    def wait(started: Any) -> None:
        started.get(LIMIT_S)

    @staticmethod
    def capture(client: Any) -> Any:
        from ipyfdcapture.ipyparallel import capture_engines

        return capture_engines(client, live=None, fetch_bytes=None)

    @staticmethod
    def run(client: Any, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        return list(client[:].apply_async(function, *arguments).get(LIMIT_S))


ENGINES: tuple[Any, ...] = (_Dask, _IPyParallel)


# -- the rows -------------------------------------------------------------------------------------


def complete(engine: Any) -> Iterator[Row]:
    """3 workers x 100,000 native lines and 2 MiB under the GIL."""
    lines, held = 100_000, 2 << 20
    with engine.open(3) as client:
        logs = engine.capture(client)
        engine.run(client, nothing, 0)
        started = time.monotonic()
        engine.run(client, flood, lines, held)
        is_all = logs.fetch(LIMIT_S)
        seconds = time.monotonic() - started
        expected = "".join(f"line {i}\n" for i in range(lines)) + "x" * held + "\n"
        names = [each.name for each in logs.workers()]
        exact = sum(logs.source(name).text == expected for name in names)
        yield Row(
            f"{engine.name}: 3 x 100,000 lines and 2 MiB under the GIL, workers that are exact",
            exact if is_all else 0,
            3,
            note=f"{seconds:.1f} s",
            is_least=True,
        )
        logs.close()


def fetch(engine: Any) -> Iterator[Row]:
    """1 M lines that are there are fetched; then 1 GB, and the client's memory."""
    with engine.open(3) as client:
        writer = engine.capture(client)  # has the workers record
        engine.run(client, flood, 333_334, 0)
        assert writer.fetch(LIMIT_S)
        started = time.monotonic()
        reader = engine.capture(client)
        while len(reader.workers()) < 3:
            time.sleep(0.001)
        marked = time.monotonic()
        assert reader.fetch(LIMIT_S)
        now = time.monotonic()
        assert reader.nbytes == writer.nbytes
        yield Row(
            f"{engine.name}: 1 M lines fetched",
            now - marked,
            0.6,
            " s",
            f"from nothing {now - started:.2f} s",
        )
        reader.close()
        before = peak_bytes()
        engine.run(client, bulk, 340_000_000)
        assert writer.fetch(LIMIT_S)
        grown = (peak_bytes() - before) / 1e6
        yield Row(f"{engine.name}: client's memory for 1 GB", grown, 100, " MB")
        writer.close()


def slow_down(engine: Any) -> Iterator[Row]:
    """Bulk output of workers with and without, in turns."""
    times: dict[bool, list[float]] = {False: [], True: []}
    with engine.open(2) as client:
        for turn in range(10):
            captured = bool(turn % 2)
            logs = engine.capture(client) if captured else None
            engine.run(client, nothing, 0)
            if logs is not None:
                logs.fetch(LIMIT_S)
            times[captured] += engine.run(client, print_lines, 1_000_000)
            if logs is not None:
                logs.close()
    without, with_it = (statistics.median(times[captured]) for captured in (False, True))
    yield Row(f"{engine.name}: 1 M lines, with / without", with_it / without, 1.05)


def empty_tasks() -> Iterator[Row]:
    """2,000 empty Dask tasks with and without the plugin, in turns."""
    times: dict[bool, list[float]] = {False: [], True: []}
    with dask_client(2) as client:
        for turn in range(10):
            captured = bool(turn % 2)
            logs = _Dask.capture(client) if captured else None
            client.gather(client.map(nothing, range(100), pure=False))
            started = time.monotonic()
            client.gather(client.map(nothing, range(2000), pure=False))
            times[captured].append(time.monotonic() - started)
            if logs is not None:
                logs.close()
    ratio = statistics.median(times[True]) / statistics.median(times[False])
    yield Row("Dask: 2,000 empty tasks, with / without", ratio, 1.05)


def latency() -> Iterator[Row]:
    """From a line on a worker to the client's live target."""
    import io

    from ipyfdcapture.dask import capture_workers

    class Stamps(io.StringIO):
        def write(self, text: str) -> int:
            now = time.time()
            delays.extend(now - float(word) for word in text.split() if word != "stamp")
            return len(text)

    delays: list[float] = []
    with dask_client(3) as client:
        logs = capture_workers(client, live=Stamps())
        for _ in range(40):
            _Dask.run(client, stamp, 0)
            time.sleep(0.05)
        logs.fetch(LIMIT_S)
        time.sleep(0.5)
        logs.close()
    yield Row(
        "Dask: a line on a worker to the live target, median", statistics.median(delays), 0.3, " s"
    )


def thousand() -> Iterator[Row]:
    """1,000 workers on disk, clocks shifted: 1 M lines merged."""
    from helpers.workers import SimulatedCluster, SimulatedWorker

    from ipyfdcapture.cluster.opening import begin_log

    with tempfile.TemporaryDirectory() as directory:
        start = time.time_ns()
        workers = []
        for i in range(1000):
            shift = (i % 7 - 3) * 3_600_000_000_000
            worker = SimulatedWorker(f"worker-{i}", Path(directory), shift)
            for n in range(1000):
                text = f"step {n} of worker {i}: residual 1e-3\n".encode()
                worker._appender.add(0, text, start + shift + n * 1_000_000 + i)
            worker._appender.flush()
            worker._appender.close()
            worker._appender = None
            workers.append(worker)
        before = peak_bytes()
        cluster = SimulatedCluster(*workers)
        started = time.monotonic()
        processor = time.process_time()
        logs = begin_log(cluster, "session", None, None)
        assert logs.fetch(LIMIT_S)
        seconds, processor = time.monotonic() - started, time.process_time() - processor
        grown = (peak_bytes() - before) / 1e6
        assert len(logs) == 1_000_000, (len(logs), logs.dropped, logs.recording.dropped_why)
        yield Row(
            "1,000 simulated workers: 1 M lines merged",
            seconds,
            5,
            " s",
            f"{processor:.1f} s of processor",
        )
        yield Row("the client's memory for that", grown, 200, " MB")
        asked = cluster.asked
        time.sleep(5)
        yield Row("questions in a second, idle", (cluster.asked - asked) / 5, 200)
        logs.close()


_LIVE_CELL = """
import tempfile, time
from pathlib import Path
from helpers.workers import SimulatedCluster, SimulatedWorker
from ipyfdcapture.cluster.opening import begin_log
directory = tempfile.TemporaryDirectory()
workers = [SimulatedWorker(f"worker-{i}", Path(directory.name)) for i in range(1000)]
logs = begin_log(SimulatedCluster(*workers), "session", "auto", None)
"""
#: Each of so many workers is asked every five seconds.
_LIVE_S = 20.0
_FLOOD = f"""
until = time.monotonic() + {_LIVE_S}
step = 0
while time.monotonic() < until:
    for worker in workers[step % 10::10]:
        worker.write(f"step {{step}}: residual 1e-3\\n" * 10)
    step += 1
"""


def live() -> Iterator[Row]:
    """1,000 simulated workers write all the time: what reaches the browser."""
    from helpers.kernel import Kernel

    with tempfile.TemporaryDirectory() as directory:
        kernel = Kernel(Path(directory))
        try:
            kernel.ok(f"import sys; sys.path[:0] = {list(map(str, sys.path[:3]))!r}")
            kernel.ok(_LIVE_CELL)
            reply = kernel.ok(_FLOOD, timeout=LIMIT_S)
            contents = [json.dumps(message["content"]) for message in reply.messages]
            written = kernel.value("sum(each.nbytes for each in logs.workers())")
            note = f"{written / 1e6:.0f} MB known to be written"
            sent = sum(map(len, contents)) / 1e3 / _LIVE_S
            yield Row("1,000 simulated workers, live: sent in a second", sent, 256, " KB", note)
            yield Row("messages in a second", len(contents) / _LIVE_S, 50)
            kernel.ok("logs.close()", timeout=LIMIT_S)
        finally:
            kernel.close()


def shutdown(engine: Any) -> Iterator[Row]:
    """The cluster's own end, with and without a log, in turns; and a log whose worker is stuck."""
    times: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(6):
        with engine.open_local(2) as (client, close):
            logs = engine.capture(client) if turn % 2 else None
            engine.run(client, nothing, 0)
            if logs is not None:
                logs.fetch(LIMIT_S)
            started = time.monotonic()
            close()
            times[bool(turn % 2)].append(time.monotonic() - started)
            if logs is not None:
                logs.close()
    without, with_it = (statistics.median(times[captured]) for captured in (False, True))
    yield Row(
        f"{engine.name}: its end is later by",
        with_it - without,
        1,
        " s",
        f"{without:.1f} s without",
    )
    with engine.open(2) as client:
        logs = engine.capture(client)
        engine.run(client, nothing, 0)
        logs.fetch(LIMIT_S)
        stuck = engine.start(client, hold, 10)
        while "holding" not in logs:  # its files are read, once it does not answer
            time.sleep(0.01)
        started = time.monotonic()
        logs.close()
        yield Row(
            f"{engine.name}: close() while a worker is stuck", time.monotonic() - started, 1.1, " s"
        )
        engine.wait(stuck)


ROWS: dict[str, Callable[[], Iterator[Row]]] = {
    **{f"complete-{engine.name}": (lambda engine=engine: complete(engine)) for engine in ENGINES},
    **{f"fetch-{engine.name}": (lambda engine=engine: fetch(engine)) for engine in ENGINES},
    **{f"slow-{engine.name}": (lambda engine=engine: slow_down(engine)) for engine in ENGINES},
    **{f"end-{engine.name}": (lambda engine=engine: shutdown(engine)) for engine in ENGINES},
    "tasks": empty_tasks,
    "latency": latency,
    "thousand": thousand,
    "live": live,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=ROWS, action="append")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: list[Row] = []
    for name in options.only or ROWS:
        needed = "ipyparallel" if name.endswith("ipyparallel") else "distributed"
        if name not in ("thousand", "live") and find_spec(needed) is None:
            print(f"{name}: {needed} is not installed")
            continue
        for row in ROWS[name]():
            print(*row.columns, sep=" | ", flush=True)
            found.append(row)
    print(describe_run(["distributed", "ipyparallel"]))
    head = ("work", "measured", "target", "verdict")
    print(plain_table(head, [row.columns for row in found]))
    if options.json is not None:
        rows = [dict(zip(head, row.columns, strict=True)) for row in found]
        options.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
