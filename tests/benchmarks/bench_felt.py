"""Measure what people wait for: the first live line, an empty cell, loading, many short children.

Run as ``python tests/benchmarks/bench_felt.py [--before CLONE] [--rounds N] [--only NAME]
[--write docs/speed.md] [--json FILE]``. It prints a table; ``--write`` puts it into a page, between
``<!-- felt -->`` and ``<!-- /felt -->``; ``--json`` keeps every figure of the run.

The ways: this package; with ``--before``, that of another clone, which has an environment in
``.venv``; and the peer, which is named in the row.

The method: a figure is the median of several rounds (5 unless told). In a round, each way has its
turn at each work, in a process of its own, so what slows the machine down slows all of them; the
order of all turns differs from round to round. Each way captures a line before the clock runs. In a
process, the median counts. Each process has directories of its own for temporary files and for what
crashed kernels left: ``%load_ext`` looks through them, and elsewhere anything may lie there. Beside
the time that passes stands the time of the processor, of the process that is measured (and of its
children for `run_all`): a machine that is busy with other things changes the one, and hardly the
other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import describe_run, markdown_table, plain_table, write_part

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 5
LIMIT_S = 300
ENTERED = 300
NESTED = 50
CELLS = 60
LINES = 30
CHILDREN = 1000
AT_ONCE = 8

#: What passed and what the processor worked, in ms; None: that was another process.
Figure = tuple[float, float | None]


def main() -> None:
    options = parse_arguments()
    if options.measure:
        work, way = options.measure
        print(json.dumps(WORKS[work].ways[way]()))
        return
    figures = measure_all(options.only or list(WORKS), options.rounds, options.before)
    run = describe_run(["ipyfdcapture", "wurlitzer", "ipython", "ipykernel"])
    run += f"; medians of {options.rounds}"
    header, rows = table_of(figures)
    print(f"{plain_table(header, rows)}\n\n{run}")
    if options.write:
        write_part(options.write, "felt", f"{markdown_table(header, rows)}\n\n{run}.\n")
    if options.json:
        Path(options.json).write_text(json.dumps({"run": run, "figures": figures}, indent=1) + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what people wait for.")
    parser.add_argument("--before", metavar="CLONE", help="another clone, to compare with")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N")
    parser.add_argument("--only", action="append", choices=list(WORKS), help="may be repeated")
    parser.add_argument("--write", metavar="FILE", help="put the table between its markers there")
    parser.add_argument("--json", metavar="FILE", help="write every figure there")
    parser.add_argument("--measure", nargs=2, metavar=("WORK", "WAY"), help=argparse.SUPPRESS)
    return parser.parse_args()


# -- in a process that measures -----------------------------------------------------------------


def timed(function: Callable[[], object], times: int = 1) -> tuple[float, float]:
    """Return the medians of what passed and what this process worked, in ms."""
    passed, worked = [], []
    for _ in range(times):
        start, work = time.perf_counter(), time.process_time()
        function()
        worked.append((time.process_time() - work) * 1e3)
        passed.append((time.perf_counter() - start) * 1e3)
    return statistics.median(passed), statistics.median(worked)


def enter_ours() -> Figure:
    from ipyfdcapture import capture_fd

    return enter(capture_fd)


def enter_wurlitzer() -> Figure:
    import wurlitzer

    return enter(wurlitzer.pipes)


def enter(capture: Callable[[], Any]) -> Figure:
    def once() -> None:
        with capture():
            pass

    with capture():
        os.write(1, b"before\n")
    return timed(once, ENTERED)


def enter_within_others() -> Figure:
    from ipyfdcapture import capture_fd

    with contextlib.ExitStack() as nested:
        for _ in range(NESTED - 1):
            nested.enter_context(capture_fd())
        return enter(capture_fd)


def load_extension() -> Figure:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    return timed(lambda: shell.run_line_magic("load_ext", "ipyfdcapture"))


def run_children() -> Figure:
    from ipyfdcapture import run_all

    run_all([["true"]])
    return with_children(lambda: run_all([["echo", "x"]] * CHILDREN, max_parallel=AT_ONCE))


def run_children_in_threads() -> Figure:
    def run(_: int) -> None:
        subprocess.run(["echo", "x"], capture_output=True, check=True)

    def all_of_them() -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(run, range(CHILDREN)))

    return with_children(all_of_them)


def with_children(function: Callable[[], object]) -> Figure:
    """Return both times for each child."""
    start, before = time.perf_counter(), sum(os.times()[:4])
    function()
    passed, worked = time.perf_counter() - start, sum(os.times()[:4]) - before
    return passed / CHILDREN * 1e3, worked / CHILDREN * 1e3


def look_at_children() -> Figure:
    from ipyfdcapture import run_all

    _, logs = run_all({f"s{i}": ["echo", "x"] for i in range(CHILDREN)}, max_parallel=AT_ONCE)
    logs._repr_mimebundle_()  # what the process computes once
    return timed(lambda: (logs.source("s7").text, logs._repr_mimebundle_()), 20)


@contextlib.contextmanager
def kernel() -> Iterator[Callable[[str], str]]:
    """Start a kernel; give what runs a cell in it, and returns its request's number."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel()
    try:

        def run(code: str) -> str:
            asked: str = client.execute(code)
            while True:
                reply = client.get_shell_msg(timeout=LIMIT_S)
                if reply["parent_header"]["msg_id"] == asked:
                    assert reply["content"]["status"] == "ok", reply["content"]
                    return asked

        run.client = client  # type: ignore[attr-defined]
        run("%load_ext ipyfdcapture")
        run("%%capture_fd --live\nprint('before')")
        yield run
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def cell(code: str, before: str = "pass") -> Callable[[], Figure]:
    """Measure a cell as the front end sees it."""

    def measure() -> Figure:
        with kernel() as run:
            run(before)
            passed = timed(lambda: run(code), CELLS)[0]
            return passed, None

    return measure


def first_line(magic: str) -> Callable[[], Figure]:
    """Measure from a write after a pause to its message, on the receiver's side."""
    pauses = [random.uniform(0.15, 0.3) for _ in range(LINES)]
    code = f"{magic}import time\nfor pause in {pauses}: time.sleep(pause); print(time.time())"

    def measure() -> Figure:
        with kernel() as run:
            client: Any = run.client  # type: ignore[attr-defined]
            asked = client.execute(code)
            late: list[float] = []
            while len(late) < LINES:
                message = client.get_iopub_msg(timeout=LIMIT_S)
                now = time.time()
                is_ours = message["parent_header"].get("msg_id") == asked
                if is_ours and message["msg_type"] == "stream":
                    written = message["content"]["text"].split()
                    late += [(now - float(moment)) * 1e3 for moment in written]
            return statistics.median(late), None

    return measure


# -- the works ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """Something that people wait for."""

    title: str
    ours: Callable[[], Figure]
    #: What others take for it, and who they are.
    peer: Callable[[], Figure] | None = None
    peers_name: str = ""

    @property
    def ways(self) -> dict[str, Callable[[], Figure]]:
        """Return who does it: ours, and the peer if there is one."""
        return {"ours": self.ours} | ({"peer": self.peer} if self.peer else {})


WORKS = {
    "first-line": Work(
        "`--live`: the first line after a pause",
        first_line("%%capture_fd --live\n"),
        first_line(""),
        "plain cell",
    ),
    "cell": Work("an empty captured cell", cell("%%capture_fd\npass"), cell("pass"), "plain cell"),
    "live-cell": Work(
        "an empty `--live` cell", cell("%%capture_fd --live\npass"), cell("pass"), "plain cell"
    ),
    "every-cell": Work(
        "an empty cell under `--every-cell`",
        cell("pass", before="%capture_fd --every-cell"),
        cell("pass"),
        "plain cell",
    ),
    "load": Work("`%load_ext ipyfdcapture`", load_extension),
    "enter": Work("enter and leave", enter_ours, enter_wurlitzer, "wurlitzer"),
    "nested": Work(f"enter and leave within {NESTED - 1} others", enter_within_others),
    "children": Work(
        f"each of {CHILDREN:,} short children, {AT_ONCE} at once",
        run_children,
        run_children_in_threads,
        "`subprocess.run` in threads",
    ),
    "look": Work("one child's lines and the view of that log", look_at_children),
}


# -- measuring ----------------------------------------------------------------------------------

#: By work and way, a figure for each round.
Figures = dict[str, dict[str, list[Figure]]]


def measure_all(works: list[str], rounds: int, before: str | None) -> Figures:
    figures: Figures = {work: {} for work in works}
    for way in ("ours", "before") if before else ("ours",):
        measure_elsewhere("load", way, before)  # modules are compiled by then
    for number in range(rounds):
        turns = [
            (work, way)
            for work in works
            for way in (*WORKS[work].ways, *(["before"] if before else []))
        ]
        random.Random(number).shuffle(turns)  # what one leaves behind may slow down the next
        for work, way in turns:
            print(f"\rround {number + 1}: {work:<12}", end="", file=sys.stderr, flush=True)
            figures[work].setdefault(way, []).append(measure_elsewhere(work, way, before))
    print("\r" + " " * 30, end="\r", file=sys.stderr)
    return figures


def measure_elsewhere(work: str, way: str, before: str | None) -> Figure:
    """Measure in a fresh process, which takes compiled modules as an installed package has them."""
    python, its, directory = sys.executable, way, str(ROOT)
    if way == "before":
        assert before is not None
        python, its, directory = os.path.join(before, ".venv", "bin", "python"), "ours", before
    environment = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as own:
        environment |= {"TMPDIR": own, "JUPYTER_RUNTIME_DIR": os.path.join(own, "runtime")}
        answer = subprocess.run(
            [python, __file__, "--measure", work, its],
            stdout=subprocess.PIPE,
            env=environment,
            cwd=directory,  # where kernels look for the package first
            timeout=LIMIT_S,
            check=True,
        )
    passed, worked = json.loads(answer.stdout.splitlines()[-1])
    return passed, worked


# -- telling ------------------------------------------------------------------------------------


def table_of(figures: Figures) -> tuple[list[str], list[list[str]]]:
    header = ["ms", "before", "now", "beside it", "processor: before", "now", "beside it"]
    rows = []
    for work, ways in figures.items():
        title = WORKS[work].title
        if WORKS[work].peers_name:
            title += f" (beside it: {WORKS[work].peers_name})"
        columns = [ways.get(way, []) for way in ("before", "ours", "peer")]
        rows.append([title, *(median_of(each, part) for part in (0, 1) for each in columns)])
    return header, rows


def median_of(figures: list[Figure], part: int) -> str:
    values = [value for figure in figures if (value := figure[part]) is not None]
    return f"{statistics.median(values):.2f}" if values else "—"


if __name__ == "__main__":
    main()
