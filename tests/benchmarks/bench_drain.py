"""Measure captures beside the other ways to do it, in one run and in turns.

Run as ``python tests/benchmarks/bench_drain.py [--rounds N] [--only NAME] [--markdown]
[--write docs/speed.md] [--json FILE] [--before CLONE]``. It prints a table of medians with their
ratios to the helper's, what it ran on, and whether the targets are reached. ``--markdown`` prints
it in Markdown, ``--write`` puts it into a page, between ``<!-- benchmarks -->`` and
``<!-- /benchmarks -->``, and ``--json`` keeps the medians.

The ways:

- *helper*, *thread*: `capture_fd` with that drain, both streams;
- *wurlitzer*: ``wurlitzer.pipes()``;
- *file*: each stream led to a temporary file, as pytest's ``capfd`` does;
- *C drain*: each stream led to a program of a few lines of C that naps 0.5 ms, reads and writes;
- *no capture*: both streams led to ``/dev/null``; for prints in a cell, the plain cell;
- *helper before*, with ``--before``: that of another clone, which has an environment in ``.venv``.

The method: each figure is the median of several rounds (5 unless told). In a round, each way has
its turn at each work in a process of its own (a kernel of its own for the cell), so what slows the
machine down slows all of them; the order of the ways differs from round to round. Before each, as
much as is to be captured is written to a file and deleted, so that the memory is at hand. Each way
captures a little before the clock runs: the helper, the C drain and the kernel run by then. The
clock runs from before the capture begins until it has ended with everything recorded, for the cell
from the request to the reply; afterwards the bytes are counted. Where code that holds the GIL would
stop a reader in the same Python for good, the table says "hangs", and it is not tried. Entering and
leaving is done 300 times in a process, at once and after pauses of 10 ms, as between cells: the
median counts. Memory is how far the process's resident memory rises above where it was, at its
highest.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import describe_run, markdown_table, plain_table, provide_memory, write_part

HERE = Path(__file__).resolve().parent
ROUNDS = 5
NAP_US = 500
WARM_UP_S = 0.2
PAUSE_S = 0.01
#: No measurement takes a tenth of that.
LIMIT_S = 300

LINE_BYTES = 100
BLOCK_BYTES = 64 << 10
RAW_WRITES = 1_000_000
PRINTF_LINES = 2_000_000
PYTHON_LINES = 200_000
CHILD_BLOCKS = 1_000_000_000 // BLOCK_BYTES
MEMORY_BLOCKS = (1 << 30) // BLOCK_BYTES
TIMES_ENTERED = 300
PYTHON_LINE = b"x" * 49 + b"\n"
CELL = f"for i in range({PYTHON_LINES}): print('iteration', i, 'residual', 0.5)"


def main() -> None:
    options = parse_arguments()
    if options.measure:
        work, way = options.measure
        measure_here(WORKS[work], way)
        return
    results = measure_all(options.only or list(WORKS), options.rounds, options.before)
    header, rows = table_of(results)
    run = describe_run(["ipyfdcapture", "wurlitzer", "ipykernel"])
    run += f"; medians of {options.rounds}"
    markdown = f"{markdown_table(header, rows)}\n\n{run}.\n"
    if options.write:  # the state before stands where the page tells what was to be reached
        now = {name: {**medians} for name, medians in results.items()}
        for medians in now.values():
            medians.pop(BEFORE, None)
        write_between_markers(options.write, f"{markdown_table(*table_of(now))}\n\n{run}.\n")
    if options.json:
        Path(options.json).write_text(json.dumps({"run": run, "medians": results}, indent=1) + "\n")
    if options.markdown:
        print(markdown, end="")
    else:
        print(f"{plain_table(header, rows)}\n\n{run}\n\n{targets_reached(results)}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure captures beside other ways to do it.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N")
    parser.add_argument("--only", action="append", choices=list(WORKS), help="may be repeated")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    parser.add_argument("--write", metavar="FILE", help="put the table between its markers there")
    parser.add_argument("--json", metavar="FILE", help="write the medians there")
    parser.add_argument("--before", metavar="CLONE", help="another clone, to compare with")
    parser.add_argument("--measure", nargs=2, metavar=("WORK", "WAY"), help=argparse.SUPPRESS)
    return parser.parse_args()


# -- the ways -----------------------------------------------------------------------------------

#: Gives a function that tells, afterwards, how many bytes of stdout were captured.
Way = Callable[[], contextlib.AbstractContextManager[Callable[[], int]]]


def ours(drain: str) -> Way:
    from ipyfdcapture import capture_fd

    @contextlib.contextmanager
    def way() -> Iterator[Callable[[], int]]:
        with capture_fd(drain=drain) as logs:
            yield lambda: logs.nbytes

    return way


def helper() -> Way:
    return ours("process")


def thread() -> Way:
    return ours("thread")


def wurlitzer() -> Way:
    import wurlitzer as peer

    @contextlib.contextmanager
    def way() -> Iterator[Callable[[], int]]:
        with peer.pipes() as (out, _):
            yield lambda: len(out.getvalue())

    return way


def file() -> Way:
    @contextlib.contextmanager
    def way() -> Iterator[Callable[[], int]]:
        with tempfile.TemporaryFile(buffering=0) as out, tempfile.TemporaryFile(buffering=0) as err:
            with led_to(out.fileno(), err.fileno()):
                yield lambda: size
            size = os.fstat(out.fileno()).st_size

    return way


def c_drain() -> Way:
    drains = [start_c_drain(), start_c_drain()]

    @contextlib.contextmanager
    def way() -> Iterator[Callable[[], int]]:
        if not drains:
            drains.extend([start_c_drain(), start_c_drain()])
        ends = [each.stdin.fileno() for each, _ in drains]  # type: ignore[union-attr]
        with led_to(*ends):
            yield lambda: size
        for each, _ in drains:
            each.stdin.close()  # type: ignore[union-attr]
        for each, _ in drains:
            each.wait()
        size = os.fstat(drains[0][1].fileno()).st_size
        drains.clear()

    return way


def start_c_drain() -> tuple[subprocess.Popen[bytes], Any]:
    out = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
    command = [native("drain"), "drain", str(NAP_US)]
    drain = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, pipesize=1 << 20)
    return drain, out


def nothing() -> Way:
    @contextlib.contextmanager
    def way() -> Iterator[Callable[[], int]]:
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            with led_to(null, null):
                yield lambda: -1
        finally:
            os.close(null)

    return way


@contextlib.contextmanager
def led_to(out: int, err: int) -> Iterator[None]:
    """Lead descriptors 1 and 2 elsewhere."""
    flush()
    saved = [os.dup(1), os.dup(2)]
    os.dup2(out, 1)
    os.dup2(err, 2)
    try:
        yield
    finally:
        flush()
        for number, fd in enumerate(saved, 1):
            os.dup2(fd, number)
            os.close(fd)


def flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)


#: In the order of the columns.
WAYS: dict[str, tuple[str, Callable[[], Way]]] = {
    "helper": ("**helper** (default)", helper),
    "thread": ("thread", thread),
    "wurlitzer": ("wurlitzer", wurlitzer),
    "file": ("file (capfd)", file),
    "c": ("C drain", c_drain),
    "none": ("no capture", nothing),
}


# -- the works ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """Something to capture, and what one figure of it is."""

    title: str
    #: Returns the figure, in ``unit``, and how many bytes were captured (-1: nobody knows).
    measure: Callable[[str], tuple[float, int]]
    unit: str = "s"
    #: How many bytes are to be captured.
    nbytes: int = 0
    without: tuple[str, ...] = ()
    hangs: tuple[str, ...] = ()


def time_of(work: Callable[[], object]) -> Callable[[str], tuple[float, int]]:
    def measure(name: str) -> tuple[float, int]:
        way = warmed_up(name)
        started = time.perf_counter()
        with way() as count:
            work()
        seconds = time.perf_counter() - started
        return seconds, count()

    return measure


def warmed_up(name: str) -> Way:
    way = WAYS[name][1]()
    with way():
        os.write(1, b"before\n")
    if name == "c":
        with way():  # the next pair of drains runs by then
            pass
    time.sleep(WARM_UP_S)
    return way


def native(name: str = "library") -> str:
    """Return the path of the compiled program (``"drain"``) or library."""
    return os.path.join(os.environ["BENCH_NATIVE"], name)


def write_raw(library: type[ctypes.CDLL], count: int, size: int) -> None:
    write = library(native()).write_raw
    write.argtypes = [ctypes.c_int, ctypes.c_long, ctypes.c_long]
    write(1, count, size)


def print_lines() -> None:
    ctypes.CDLL(native()).print_lines(ctypes.c_long(PRINTF_LINES))


def write_from_python() -> None:
    for _ in range(PYTHON_LINES):
        os.write(1, PYTHON_LINE)


def run_child() -> None:
    command = [native("drain"), "write", str(CHILD_BLOCKS), str(BLOCK_BYTES)]
    subprocess.run(command, check=True)


def time_of_entering(pause_s: float) -> Callable[[str], tuple[float, int]]:
    def measure(name: str) -> tuple[float, int]:
        way = warmed_up(name)
        times = []
        for _ in range(TIMES_ENTERED):
            time.sleep(pause_s)
            started = time.perf_counter()
            with way():
                pass
            times.append(time.perf_counter() - started)
        return statistics.median(times) * 1e3, -1

    return measure


def growth_of_memory(name: str) -> tuple[float, int]:
    way = warmed_up(name)
    Path("/proc/self/clear_refs").write_text("5")  # the highest so far is forgotten
    before = highest_resident_kib()
    with way() as count:
        write_raw(ctypes.CDLL, MEMORY_BLOCKS, BLOCK_BYTES)
    return (highest_resident_kib() - before) * 1024 / 1e6, count()


def highest_resident_kib() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1])


def time_of_cell(name: str) -> tuple[float, int]:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel()
    kind = {"helper": "process", "thread": "thread"}.get(name)
    magic = f"%%capture_fd --drain {kind} -v logs\n" if kind else ""
    try:
        reply_of(client, "%load_ext ipyfdcapture")
        reply_of(client, f"{magic}print('before')")
        time.sleep(WARM_UP_S)
        started = time.perf_counter()
        reply_of(client, magic + CELL)
        seconds = time.perf_counter() - started
        count = int(reply_of(client, "", "logs.nbytes")) if kind else -1
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return seconds, count


def reply_of(client: Any, code: str, expression: str = "0") -> str:
    """Run a cell; return an expression's value after it. What the cell shows is not read."""
    asked = client.execute(code, user_expressions={"value": expression})
    while True:
        reply = client.get_shell_msg(timeout=LIMIT_S)
        if reply["parent_header"]["msg_id"] == asked:
            assert reply["content"]["status"] == "ok", reply["content"]
            return str(reply["content"]["user_expressions"]["value"]["data"]["text/plain"])


def bytes_of_cell() -> int:
    return sum(len(f"iteration {i} residual 0.5\n") for i in range(PYTHON_LINES))


WORKS = {
    "raw": Work(
        "1 M raw writes of 100 bytes from C",
        time_of(lambda: write_raw(ctypes.CDLL, RAW_WRITES, LINE_BYTES)),
        nbytes=RAW_WRITES * LINE_BYTES,
    ),
    "held": Work(
        "the same, the GIL held throughout",
        time_of(lambda: write_raw(ctypes.PyDLL, RAW_WRITES, LINE_BYTES)),
        nbytes=RAW_WRITES * LINE_BYTES,
        hangs=("thread", "wurlitzer"),
    ),
    "printf": Work(
        "2 M `printf` lines",
        time_of(print_lines),
        nbytes=PRINTF_LINES * len("iteration 12345678 residual 0.5000\n"),
    ),
    "python": Work(
        "200 k `os.write` lines from Python",
        time_of(write_from_python),
        nbytes=PYTHON_LINES * len(PYTHON_LINE),
    ),
    "print": Work(
        "200 k `print` lines in a kernel's cell",
        time_of_cell,
        nbytes=bytes_of_cell(),
        without=("wurlitzer", "file", "c"),
    ),
    "child": Work(
        "a child writing 1 GB",
        time_of(run_child),
        nbytes=CHILD_BLOCKS * BLOCK_BYTES,
    ),
    "enter": Work(
        "enter and leave, nothing captured",
        time_of_entering(0),
        unit="ms",
        without=("c", "none"),
    ),
    "enter-cold": Work(
        "the same, 10 ms apart",
        time_of_entering(PAUSE_S),
        unit="ms",
        without=("c", "none"),
    ),
    "memory": Work(
        "memory that 1 GiB captured takes",
        growth_of_memory,
        unit="MB",
        nbytes=MEMORY_BLOCKS * BLOCK_BYTES,
        without=("none",),
    ),
}


# -- measuring ----------------------------------------------------------------------------------

#: The way of the helper of another clone.
BEFORE = "before"
#: The median of each work, by way.
Results = dict[str, dict[str, float]]


def measure_all(works: list[str], rounds: int, before: str | None) -> Results:
    results: Results = {}
    with tempfile.TemporaryDirectory() as directory:
        compile_native(directory)
        figures: dict[str, dict[str, list[float]]] = {name: {} for name in works}
        for number in range(rounds):
            for name in works:
                print(f"\rround {number + 1}: {name:<12}", end="", file=sys.stderr, flush=True)
                for way in ways_in_turn(WORKS[name], number, before):
                    provide_memory(WORKS[name].nbytes)
                    figure = measure_elsewhere(name, way, directory, before)
                    figures[name].setdefault(way, []).append(figure)
        for name in works:
            results[name] = {way: statistics.median(each) for way, each in figures[name].items()}
    print("\r" + " " * 30, end="\r", file=sys.stderr)
    return results


def ways_in_turn(work: Work, number: int, before: str | None) -> list[str]:
    """Return the ways that do it, in an order that differs from round to round."""
    ways = [way for way in WAYS if way not in work.without + work.hangs]
    ways += [BEFORE] if before else []
    random.Random(number).shuffle(ways)
    return ways


def compile_native(directory: str) -> None:
    source = str(HERE / "bench_drain.c")
    for name, flags in (("drain", []), ("library", ["-shared", "-fPIC"])):
        target = os.path.join(directory, name)
        subprocess.run(["gcc", "-O2", *flags, source, "-o", target], check=True)


def measure_elsewhere(work: str, way: str, directory: str, before: str | None) -> float:
    """Measure in a fresh process."""
    python, its, root = sys.executable, way, None
    if way == BEFORE:
        assert before is not None
        python, its, root = os.path.join(before, ".venv", "bin", "python"), "helper", before
    answer = subprocess.run(
        [python, __file__, "--measure", work, its],
        stdout=subprocess.PIPE,
        cwd=root,  # where kernels look for the package first
        env={**os.environ, "BENCH_NATIVE": directory, "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
        timeout=LIMIT_S,
        check=True,
    )
    figure: float = json.loads(answer.stdout)
    return figure


def measure_here(work: Work, way: str) -> None:
    figure, count = work.measure(way)
    if count not in (-1, work.nbytes):
        sys.exit(f"{work.title}: {way} captured {count:,} bytes of {work.nbytes:,}")
    print(json.dumps(figure))


# -- telling ------------------------------------------------------------------------------------


def table_of(results: Results) -> tuple[list[str], list[list[str]]]:
    titles = {way: title for way, (title, _) in WAYS.items()}
    if any(BEFORE in medians for medians in results.values()):
        titles[BEFORE] = "helper before"
    return ["work", *titles.values()], [
        [WORKS[name].title, *(cell_of(WORKS[name], way, medians) for way in titles)]
        for name, medians in results.items()
    ]


def cell_of(work: Work, way: str, medians: dict[str, float]) -> str:
    if way in work.hangs:
        return "hangs"
    if way not in medians:
        return "—"
    figure = medians[way]
    text = f"{figure:.1f} {work.unit}" if work.unit == "MB" else f"{figure:.2f} {work.unit}"
    if way == "helper":
        return f"**{text}**"
    return text if work.unit == "MB" else f"{text} ({figure / medians['helper']:.1f} x)"


@dataclass(frozen=True)
class Target:
    """How the helper is to compare: its figure is at most ``most`` times that of ``way``."""

    work: str
    way: str
    most: float
    #: The work of the other figure, if it is another one.
    other_work: str = ""

    def tell(self, results: Results) -> str | None:
        """Return a line; None if it was not measured."""
        try:
            own = results[self.work]["helper"]
            other = results[self.other_work or self.work][self.way]
        except KeyError:
            return None
        reached = "reached    " if own <= self.most * other else "NOT reached"
        beside = WAYS[self.way][0].replace("*", "")
        if self.other_work:
            beside = f"{beside}: {WORKS[self.other_work].title}"
        return (
            f"{reached}  {WORKS[self.work].title}: {own / other:.2f} of {beside} "
            f"(at most {self.most:.2f})"
        )


#: What the project aims at.
TARGETS = [
    Target("raw", "wurlitzer", 1 / 3),
    Target("raw", "file", 1.0),
    Target("raw", "c", 1.15),
    Target("held", "wurlitzer", 1 / 3, "raw"),
    Target("held", "file", 1.0),
    Target("held", "c", 1.15),
    Target("held", "helper", 1.0, "raw"),
    Target("python", "wurlitzer", 1 / 3),
    Target("print", "none", 1 / 3),
    Target("printf", "wurlitzer", 1 / 1.6),
    Target("child", "wurlitzer", 1 / 5),
    Target("child", "file", 1.2),
    Target("enter", "wurlitzer", 1 / 3),
    Target("enter-cold", "wurlitzer", 1 / 3),
]
MEMORY_TARGET_MB = 8


def targets_reached(results: Results) -> str:
    lines = [line for line in (target.tell(results) for target in TARGETS) if line]
    if "memory" in results:
        grown = results["memory"]["helper"]
        reached = "reached    " if grown < MEMORY_TARGET_MB else "NOT reached"
        lines.append(
            f"{reached}  {WORKS['memory'].title}: {grown:.1f} MB (less than {MEMORY_TARGET_MB})"
        )
    return "\n".join(lines)


def write_between_markers(path: str, text: str) -> None:
    write_part(path, "benchmarks", text)


if __name__ == "__main__":
    main()
