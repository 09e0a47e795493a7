"""Captures under load, with faults injected at random, for as long as you like.

    python tests/soak.py --minutes 10 --seed 1

Plain processes and real kernels run captures whose content is known (`helpers.load`), while one
fault after another is done to them from outside:

- ``helper killed``: SIGKILL for the helper process;
- ``no descriptors``: the limit on open files is lowered to what is open, for a moment
  (not for kernels: ZeroMQ ends a process that has none left);
- ``disk full``: the recordings' file system is filled for a moment; where none can be mounted (only
  root may), no file may grow beyond a size instead;
- ``helper stopped``: SIGSTOP for the helper process, for longer than anybody waits for it at times;
- ``disk frozen``: what the helper does to a file waits, as long (``tests/native/frozen.c``);
- ``interrupt``: SIGINT.

One process after the first is refused a system call, as in a sandbox; in some captures, warnings
are errors.

It ends with a report; the exit status is 0 if no byte was lost, nothing was left behind, and
everything that ran at the end of a fault ran on.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import errno
import functools
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

TESTS_DIR = Path(__file__).resolve().parent
for place in (str(TESTS_DIR), str(TESTS_DIR.parent)):
    if place not in sys.path:
        sys.path.insert(0, place)

from helpers import sandbox  # noqa: E402
from helpers.kernel import Kernel  # noqa: E402
from helpers.native import Native  # noqa: E402
from helpers.process import end_process, private_env, pumps  # noqa: E402
from helpers.wait import LIMIT_S, eventually  # noqa: E402

#: Between two faults, and how long one that is for a moment lasts (s).
PAUSE_S = (0.0, 0.4)
MOMENT_S = (0.01, 0.3)
#: How long (s) a helper, or its disk, is stopped: for a moment mostly, else longer than a capture
#: waits for it.
STOPPED_S = (0.05, 0.5)
LONG_STOPPED_S = (3.5, 8.0)
LONG_STOPS = 0.1
#: What one of the processes may not call.
REFUSED = ("splice", "memfd_create", "pidfd_open", "flock", "linkat", "madvise")
#: Free descriptors that a process is left with.
SPARE_FDS = 8
DISK = "64m"
#: Where no disk can be filled: no file grows beyond that for a moment.
FILE_SIZE = 20_000
#: A process that ends no round for that long is stuck.
STUCK_S = 90.0
#: What the system's allocator keeps comes and goes by some megabytes; what Python holds does not:
#: in ten minutes, with 30,000 captures, one object lost in each ten shows.
MEMORY_LIMIT = 32 << 20
OBJECTS_LIMIT = 3000


#: So much of what went wrong is shown.
PROBLEMS = 40
PROBLEM_CHARACTERS = 4000


@dataclass
class Found:
    """What one process reports."""

    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    problems: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    objects: list[int] = field(default_factory=list)
    done: bool = False


class Worker:
    """A plain process that runs rounds."""

    faults: tuple[str, ...] = (
        "helper killed",
        "helper stopped",
        "no descriptors",
        "disk full",
        "disk frozen",
        "interrupt",
    )

    def __init__(
        self,
        name: str,
        directory: Path,
        disk: Path,
        seed: int,
        seconds: float,
        refused: str | None = None,
    ) -> None:
        self.name = name
        self.frozen = directory / f"{name}.frozen"
        self._report = directory / f"{name}.json"
        self.output = directory / f"{name}.output"
        home, place = directory / name, disk / name
        home.mkdir()
        place.mkdir(mode=0o700)
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "helpers.load"),
                    *(str(seed), str(seconds), Native(directory).c(), str(self._report)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # One arena: what many threads have freed does not count as in use.
                env=private_env(
                    home,
                    TMPDIR=str(place),
                    MALLOC_ARENA_MAX="1",
                    FROZEN=str(self.frozen),
                    LD_PRELOAD=Native(directory).c("frozen"),
                ),
                cwd=TESTS_DIR,
                start_new_session=True,
                preexec_fn=functools.partial(sandbox.refuse, refused, errno.EPERM)
                if refused
                else None,
            )
        self._spare = resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE)
        if refused == "splice":  # what its helper has read is in its memory: it lives
            self.faults = tuple(fault for fault in self.faults if fault != "helper killed")
        #: One that is stopped for long while its pipe is full is ended.
        self.bears_long_stops = refused != "splice"

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_ready(self) -> bool:
        """Whether it can be disturbed: what it opens once and for all is open."""
        return self._report.exists()

    def interrupt(self) -> None:
        os.kill(self.pid, signal.SIGINT)

    def limit_descriptors(self, spare: int | None) -> None:
        soft = self._spare[0] if spare is None else psutil.Process(self.pid).num_fds() + spare
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (soft, self._spare[1]))

    def found(self) -> Found:
        """Return what it has reported so far."""
        with contextlib.suppress(FileNotFoundError):
            read = json.loads(self._report.read_text())
            return Found(**{**read, "counts": collections.Counter(read["counts"])})
        return Found()

    def finish(self) -> Found:
        """Wait for its end, as long as it goes on."""
        rounds, since = -1, time.monotonic()
        while self.process.poll() is None:
            found = self.found()
            if found.counts["rounds"] != rounds:
                rounds, since = found.counts["rounds"], time.monotonic()
            if time.monotonic() - since > STUCK_S:
                os.kill(self.pid, signal.SIGUSR1)  # have it show where it stands
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(2)
                break
            time.sleep(0.1)
        found = self.found()
        found.problems = [f"{self.name}: {problem}" for problem in found.problems]
        if not found.done:
            shown = self.output.read_text(errors="replace")[-4000:]
            found.problems.append(f"{self.name} died or is stuck: {self.process.poll()}\n{shown}")
        else:
            found.problems += self._escaped()
        self.close()
        return found

    def _escaped(self) -> list[str]:
        """Return what was written to the descriptors from outside any capture.

        What a thread prints after its capture is, where there are no descriptors for a late pipe.
        """
        text = self.output.read_text(errors="replace")
        shown = "".join(line for line in text.splitlines(True) if not line.startswith("late"))
        return [f"{self.name}: not captured: {shown[:PROBLEM_CHARACTERS]}"] if shown else []

    def close(self) -> None:
        for pump in pumps(self.pid):
            end_process(pump.pid)
        end_process(self.pid)
        self.process.wait()


OPTIONS = ["", "--merge", "--drain thread", "--live", "--tail 5", "--progress"]


class KernelWorker:
    """A kernel, and a thread that has it run captured cells."""

    faults = ("helper killed", "helper stopped", "disk full")  # it asks for interrupts itself
    bears_long_stops = True

    def __init__(self, name: str, directory: Path, disk: Path, seed: int, seconds: float) -> None:
        self.name = name
        self.interrupts = 0
        self._dice = random.Random(seed)
        home, place = directory / name, disk / name
        home.mkdir()
        place.mkdir(mode=0o700)
        self._begun = home / "report.begun"
        self.kernel = Kernel(home, env={"TMPDIR": str(place)})
        self.pid = self.kernel.pid
        self.kernel.load()
        self.kernel.ok(
            "import sys\nfrom pathlib import Path\nfrom helpers.load import Load\n"
            f"load = Load({seed}, {Native(directory).c()!r}, Path({str(home / 'report')!r}))\n"
            "load.settle_in()"
        )
        for options in OPTIONS:
            self._round(options, interrupted=False)
        self.kernel.ok("load.counts.clear()\nlogs.close()\ndel logs, _logs")
        self.kernel.ok("print('x' * 200_000)")  # from this size on, ZeroMQ has a thread for it
        self.kernel.ok("before = load.now_held()")
        self._problems: list[str] = []
        self._until = time.monotonic() + seconds
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def is_ready(self) -> bool:
        return True

    def _run(self) -> None:
        try:
            while time.monotonic() < self._until:
                self._round(self._dice.choice(OPTIONS), interrupted=self._dice.random() < 0.3)
        except BaseException as error:
            self._problems.append(f"{self.name}: {type(error).__name__}: {str(error)[:1000]}")
            self._problems.append(self._stacks())

    def _stacks(self) -> str:
        """Have the kernel show where it stands."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR1)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.kernel.process.wait(1)
        return self.kernel.terminal.read_text(errors="replace")[-PROBLEM_CHARACTERS:]

    def _round(self, options: str, interrupted: bool) -> None:
        if self._begun.exists():
            self._begun.rmdir()
        sent = self.kernel.send(f"%%capture_fd -v logs {options}\nload.body({interrupted})")
        if interrupted:
            eventually(lambda: self._begun.exists() or self._has_answered(), "the cell")
            if self._begun.exists():
                time.sleep(self._dice.uniform(0, 0.05))
                self.kernel.interrupt()
                self.interrupts += 1
        reply = self.kernel.finish(sent)
        assert reply.content is not None, "the kernel has died"
        if reply.status == "error" and reply.error[0] in ("CaptureError", "UsageError"):
            self.kernel.ok("load.counts['refused'] += 1")
            return
        if reply.status == "error" and not (interrupted and reply.error[0] == "KeyboardInterrupt"):
            raise AssertionError(reply.traceback)
        merge = options == "--merge"
        self.kernel.ok(f"load.check_cell(logs, merge={merge})")

    def _has_answered(self) -> bool:
        channel = self.kernel.client.shell_channel
        return channel.socket.poll(timeout=0) or self.kernel.process.poll() is not None

    def finish(self) -> Found:
        self._thread.join()
        found = Found(problems=self._problems)
        if not self._problems:
            self.kernel.ok("logs.close()\ndel logs, _logs")
            self.kernel.ok("load.look_for_leaks(before)")
            found.counts = collections.Counter(self.kernel.value("dict(load.counts)"))
            found.problems += [f"{self.name}: {p}" for p in self.kernel.value("load.problems")]
        self.close()
        return found

    def close(self) -> None:
        self._until = 0.0
        self.kernel.close()


# -- faults ---------------------------------------------------------------------------------------


class Disk:
    """The file system that the recordings are on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700)
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "tmpfs", str(path)]
        try:
            subprocess.run(command, check=True, capture_output=True)
            self.is_mounted = True
        except (OSError, subprocess.CalledProcessError):
            self.is_mounted = False

    @contextlib.contextmanager
    def full(self, pid: int) -> Iterator[None]:
        """No room for a while: for all, or at least for one process and its helper."""
        if self.is_mounted:
            filler = self.path / "filler"
            with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
                while file.write(bytes(1 << 20)):
                    pass
            yield
            filler.unlink()
            return
        pids = [pid, *(pump.pid for pump in pumps(pid))]
        limit_files(pids, FILE_SIZE)
        yield
        limit_files(pids, resource.RLIM_INFINITY)

    def close(self) -> None:
        if self.is_mounted:
            subprocess.run(["umount", "-l", str(self.path)], check=False)


def limit_files(pids: list[int], size: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


class Faults:
    """Does one fault after another to the workers, until it is ended."""

    def __init__(self, workers: list[Any], disk: Disk, seed: int) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self._workers = workers
        self._disk = disk
        self._dice = random.Random(seed)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(self._dice.uniform(*PAUSE_S)):
            worker = self._dice.choice(self._workers)
            fault = self._dice.choice(worker.faults)
            do = {
                "helper killed": self._kill_helper,
                "helper stopped": self._stop_helper,
                "disk frozen": self._freeze_disk,
                "no descriptors": self._take_descriptors,
                "disk full": self._fill_disk,
                "interrupt": self._interrupt,
            }
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                do[fault](worker)

    def _moment(self) -> None:
        self._end.wait(self._dice.uniform(*MOMENT_S))

    def _kill_helper(self, worker: Worker) -> None:
        for pump in pumps(worker.pid):
            pump.kill()
            self.counts["helper killed"] += 1

    def _stop_helper(self, worker: Worker) -> None:
        stopped = pumps(worker.pid)
        try:
            for pump in stopped:
                pump.suspend()
                self.counts["helper stopped"] += 1
            self._stay_stopped(worker)
        finally:
            for pump in stopped:
                with contextlib.suppress(psutil.NoSuchProcess):
                    pump.resume()

    def _freeze_disk(self, worker: Worker) -> None:
        worker.frozen.touch()
        self.counts["disk frozen"] += 1
        try:
            self._stay_stopped(worker)
        finally:
            worker.frozen.unlink()

    def _stay_stopped(self, worker: Worker) -> None:
        is_long = worker.bears_long_stops and self._dice.random() < LONG_STOPS
        self._end.wait(self._dice.uniform(*(LONG_STOPPED_S if is_long else STOPPED_S)))

    def _take_descriptors(self, worker: Worker) -> None:
        worker.limit_descriptors(self._dice.randint(0, SPARE_FDS))
        self.counts["no descriptors"] += 1
        self._moment()
        worker.limit_descriptors(None)

    def _fill_disk(self, worker: Worker) -> None:
        with self._disk.full(worker.pid):
            self.counts["disk full"] += 1
            self._moment()

    def _interrupt(self, worker: Worker) -> None:
        worker.interrupt()
        self.counts["interrupt"] += 1

    def end(self) -> None:
        self._end.set()
        self._thread.join()


# -- the whole ------------------------------------------------------------------------------------


def soak(seconds: float, seed: int, processes: int, kernels: int, directory: Path) -> bool:
    """Run it, print the report, and tell whether all is well."""
    disk = Disk(directory / "disk")
    workers: list[Any] = []
    try:
        for n in range(processes):
            refused = refused_call(seed + n) if n else None
            workers.append(Worker(f"process {n}", directory, disk.path, seed + n, seconds, refused))
        for n in range(kernels):
            workers.append(KernelWorker(f"kernel {n}", directory, disk.path, seed - n, seconds))
        eventually(lambda: all(w.is_ready() for w in workers), "the workers", LIMIT_S)
        faults = Faults(workers, disk, seed)
        try:
            found = [worker.finish() for worker in workers]
        finally:
            faults.end()
        faults.counts["interrupt"] += sum(getattr(w, "interrupts", 0) for w in workers)
        return report(found, faults.counts, seconds, seed, disk)
    finally:
        for worker in workers:
            worker.close()
        disk.close()


def refused_call(seed: int) -> str | None:
    """Return what a process is refused, ``splice`` half of the time; None where nothing can be."""
    dice = random.Random(seed)
    calls = [call for call in REFUSED if call in sandbox.OPTIONAL_CALLS]
    if not calls or dice.random() < 0.5:
        return calls[0] if calls else None
    return dice.choice(calls)


def report(
    found: list[Found],
    faults: collections.Counter[str],
    seconds: float,
    seed: int,
    disk: Disk,
) -> bool:
    counts = sum((each.counts for each in found), collections.Counter[str]())
    problems = [problem for each in found for problem in each.problems]
    memory = [growth(each.memory) for each in found if each.memory]
    objects = [growth(each.objects) for each in found if each.objects]
    problems += [f"memory grew by {n:,} bytes" for n in memory if n > MEMORY_LIMIT]
    problems += [f"Python holds {n:,} blocks more" for n in objects if n > OBJECTS_LIMIT]
    left = [problem for problem in problems if "left behind" in problem]
    kind = "a file system of " + DISK if disk.is_mounted else "a limit on file sizes"
    lines = [
        f"{seconds:g} s, seed {seed}, {len(found)} processes; disk: {kind}",
        f"captures             {counts['captures']:,} in {counts['rounds']:,} rounds",
        f"bytes                {counts['bytes']:,}",
        *(f"{fault:20} {count:,}" for fault, count in sorted(faults.items())),
        f"captures interrupted {counts['interrupted']:,}",
        f"warnings as errors   {counts['strict']:,}",
        f"captures refused     {counts['refused']:,} (no descriptors or no room; told)",
        f"bytes dropped        {counts['dropped']:,} in {counts['captures that dropped']:,} "
        "captures (no room; told)",
        f"bytes lost           {counts['lost']:,}",
        f"left behind          {len(left)} (descriptors, threads, processes, files, hooks)",
        f"growth of memory     {', '.join(f'{n / (1 << 20):+.1f} MB' for n in memory)}",
        f"growth of objects    {', '.join(f'{n:+,}' for n in objects)} (of Python)",
        f"problems             {len(problems)}",
    ]
    shown = [problem[:PROBLEM_CHARACTERS] for problem in problems[:PROBLEMS]]
    print("\n".join([*lines, *shown]), flush=True)
    return not problems and not counts["lost"]


def growth(samples: list[int]) -> int:
    """Return how much more the least of the last third is than that of the first."""
    third = max(1, len(samples) // 3)
    return min(samples[-third:]) - min(samples[:third])


def main() -> int:
    parser = argparse.ArgumentParser(description="Captures under load, with faults.")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: 10)")
    parser.add_argument("--seed", type=int, default=None, help="what chance decides")
    parser.add_argument("--processes", type=int, default=2, help="plain processes (default: 2)")
    parser.add_argument("--kernels", type=int, default=1, help="kernels (default: 1)")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(1 << 16)
    directory = Path(tempfile.mkdtemp(prefix="ipyfdcapture-soak-"))
    try:
        well = soak(options.minutes * 60, seed, options.processes, options.kernels, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
