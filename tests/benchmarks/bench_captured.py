"""Measure what a log answers: lines, searches, levels and exports, beside ripgrep and polars.

Run as ``python tests/benchmarks/bench_captured.py [LINES ...]`` (1 and 10 million lines of 100
bytes if none are named; 100 million take 11 GB of disk). It prints a table, and writes all figures
to ``bench_captured.json``, or where ``--json`` says. Each is the median of three; of one where it
takes over five seconds. What reads each line is measured on a million lines, three kinds of logs:
one source after another, two sources that take turns, and words in any order. ``--before CLONE``
measures the package of another clone beside it, which has an environment in ``.venv``, where it
knows what is asked.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import describe_run, peak_bytes, plain_table

if TYPE_CHECKING:
    from ipyfdcapture import Captured
    from ipyfdcapture.recording.recording import Recording

LINES = (1_000_000, 10_000_000)
#: So many lines are enough for what reads each of them.
EACH_LINES = 1_000_000
#: 655 lines of 100 bytes: what a pipe gives at once.
CHUNK_LINES = 655
ROUNDS = 3
ONCE_S = 5.0
_PACKAGES = ("pandas", "pyarrow", "polars")

HEADER = ("", "lines", "time", "a line", "before", "", "target", "memory so far")
LIMIT_S = 1200
Step = tuple[str, Callable[[], Any]]
#: What each is to reach, in microseconds a line; of searches with an expression, at 100 bytes.
TARGETS_US = {
    "for line in logs": 0.6,
    "save, .jsonl": 1.5,
    "save, .parquet": 1.5,
    "save, .html": 1.5,
    "to_pandas()": 0.8,
    "pyarrow.table(logs)": 0.9,
    "levels()": 0.32,
    "grep, every line matches": 0.1,
    "grep, a literal in few lines": 0.167,
    "grep, a literal in each line": 0.345,
    "grep, bytes, a literal in each line": 0.345,
    "turns: grep, no line matches": 0.5,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("lines", type=int, nargs="*", default=LINES)
    parser.add_argument("--json", type=Path, default=Path("bench_captured.json"))
    parser.add_argument("--before", metavar="CLONE", help="another clone, to compare with")
    parser.add_argument("--each", type=int, default=EACH_LINES, help="lines of what reads each")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured_here(options.each)))
        return
    bench = Bench()
    with tempfile.TemporaryDirectory() as directory:
        for count in options.lines:
            with recorded(directory, count) as log:
                bench.measure(count, whole_log(log))
        with recorded(directory, options.each) as log:
            bench.measure(options.each, each_line(log, directory, ""))
            bench.measure(options.each, peers(log, directory))
        with recorded(directory, options.each, chunk_lines=1) as log:
            bench.measure(options.each, each_line(log, directory, "turns: "))
        with recorded(directory, options.each, words=True) as log:
            bench.measure(options.each, [("words: levels()", log.levels)])
    if options.before:
        bench.add_before(options.each, measured_by(options.before, options.each))
    run = describe_run([name for name in _PACKAGES if util.find_spec(name)])
    print(run)
    print(plain_table(HEADER, bench.table()))
    options.json.write_text(json.dumps({"run": run, "results": bench.results}, indent=1) + "\n")
    print(f"written to {options.json}")


def measured_by(clone: str, lines: int) -> dict[str, float]:
    """Return seconds for what the package of a clone can do with a log, by the name of the step."""
    python = os.path.join(clone, ".venv", "bin", "python")
    environment = {**os.environ, "PYTHONPATH": clone}
    command = [python, __file__, "--measure", "--each", str(lines)]
    answer = subprocess.run(
        command, stdout=subprocess.PIPE, env=environment, cwd=clone, check=True, timeout=LIMIT_S
    )
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def measured_here(lines: int) -> dict[str, float]:
    """Measure with what any clone has: a log that was captured, and its methods."""
    from ipyfdcapture import capture_fd

    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory:
        for words in (False, True):
            with capture_fd() as log:
                for fd, data in _chunks(lines, CHUNK_LINES, words):
                    os.write(1 + fd, data)
            steps = [("words: levels()", log.levels)] if words else each_line(log, directory, "")
            for name, step in steps if words else [*whole_log(log), *steps]:
                try:
                    found[name] = statistics.median(_rounds(step))
                except (AttributeError, TypeError, ValueError):  # it has no such method, or option
                    continue
            log.close()
    return found


class Bench:
    """Measures steps, and keeps the figures."""

    def __init__(self) -> None:
        self.results: list[dict[str, Any]] = []
        self._base = peak_bytes()

    def measure(self, count: int, steps: list[Step]) -> None:
        for name, step in steps:
            seconds = list(_rounds(step))
            self.results.append(
                {
                    "name": name,
                    "lines": count,
                    "seconds": statistics.median(seconds),
                    "rounds": seconds,
                    "target_us_a_line": TARGETS_US.get(name),
                    "memory_bytes": peak_bytes() - self._base,
                }
            )
            print(".", end="", flush=True)

    def add_before(self, lines: int, seconds: dict[str, float]) -> None:
        """Note what another clone took for so many lines."""
        for result in self.results:
            if result["lines"] == lines and result["name"] in seconds:
                result["before_seconds"] = seconds[result["name"]]

    def table(self) -> list[tuple[str, ...]]:
        rows = []
        for result in self.results:
            seconds, count = result["seconds"], result["lines"]
            target, before = result["target_us_a_line"], result.get("before_seconds")
            rows.append(
                (
                    result["name"],
                    f"{count:,}",
                    f"{seconds * 1e3:,.1f} ms",
                    f"{seconds / count * 1e6:.3f} us",
                    f"{before / count * 1e6:.3f} us" if before is not None else "",
                    f"{100 * count / seconds / 1e6:,.0f} MB/s",
                    "" if target is None else f"{target:g} us",
                    f"{result['memory_bytes'] / 1e6:,.0f} MB",
                )
            )
        return rows


def _rounds(step: Callable[[], Any]) -> Iterator[float]:
    for _ in range(ROUNDS):
        started = time.perf_counter()
        step()
        seconds = time.perf_counter() - started
        yield seconds
        if seconds > ONCE_S:
            return


class recorded:
    """A log of ``count`` lines of 100 bytes: a context manager, which deletes it."""

    def __init__(
        self, directory: str, count: int, chunk_lines: int = CHUNK_LINES, words: bool = False
    ) -> None:
        self._recording = record(directory, count, chunk_lines, words)

    def __enter__(self) -> Captured:
        from ipyfdcapture import Captured

        return Captured(self._recording)

    def __exit__(self, *_: object) -> None:
        self._recording.close()


def record(
    directory: str, count: int, chunk_lines: int = CHUNK_LINES, words: bool = False
) -> Recording:
    """Write a recording: see `_chunks`."""
    from ipyfdcapture.recording.format import ENTRY
    from ipyfdcapture.recording.metadata import Metadata
    from ipyfdcapture.recording.recording import Recording

    started = time.time_ns()
    metadata = Metadata(
        sources=("stdout", "stderr"), started=started, stopped=started + count * 1000
    )
    recording, data_fd, index_fd = Recording.create(directory, metadata)
    with open(data_fd, "wb", 1 << 22) as data, open(index_fd, "wb", 1 << 16) as index:
        at = 0
        for source, chunk in _chunks(count, chunk_lines, words):
            index.write(ENTRY.pack(started + at * 10, at, source))
            at += len(chunk)
            data.write(chunk)
    return recording


def _chunks(count: int, chunk_lines: int, words: bool) -> Iterator[tuple[int, bytes]]:
    """Yield the number of a source and lines of it: each 50th is of stderr, or each second line."""
    turn = 50 if chunk_lines > 1 else 2
    rest = " iteration " + "x" * 78 + "\n"
    spoken = _words() if words else None
    for first in range(0, count, chunk_lines):
        last = min(first + chunk_lines, count)
        if spoken is not None:
            lines = [next(spoken) for _ in range(first, last)]
        else:
            lines = [f"{i:010d}{rest}" for i in range(first, last)]
        yield int(first // chunk_lines % turn == turn - 1), "".join(lines).encode()


def _words() -> Iterator[str]:
    """Yield lines of words in any order: no two are alike, which is the worst for `levels`."""
    chosen = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(chosen.choices(letters, k=chosen.randint(2, 10))) for _ in range(20_000)]
    while True:
        yield " ".join(chosen.choices(words, k=30))[:99] + "\n"


def whole_log(log: Captured) -> list[Step]:
    middle = log.nbytes // 200

    def literal(pattern: Any, **how: Any) -> Callable[[], int]:
        return lambda: len(log.grep(pattern, **how))

    return [
        ("len(logs), the first time", lambda: len(type(log)(log.recording))),
        ("len(logs), again", lambda: len(log)),
        ("logs[middle]", lambda: log[middle]),
        ("list(logs.head(20))", lambda: list(log.head(20))),
        ("list(logs.tail(20))", lambda: list(log.tail(20))),
        ("rich view", log._repr_mimebundle_),
        ("grep, no line matches", literal("nowhere to be found")),
        ("grep, one line matches", literal(f"{middle:010d}")),
        ("grep, every line matches", literal("iteration")),
        ("grep, ignore_case", literal("NOWHERE", ignore_case=True)),
        ("grep, bytes, a literal in few lines", literal(re.compile(rb"99999\d+ iter"))),
        ("grep, bytes, a literal in each line", literal(re.compile(rb"iteration x+$"))),
        ("grep, a literal in few lines", literal(re.compile(r"99999\d+ iter"))),
        ("grep, a literal in each line", literal(re.compile(r"iteration x+$"))),
        ("grep, no literal", literal(re.compile(r"\d+[ ]y"))),
        ("grep, may take for ever", literal(re.compile(r"(\d+)+ i"))),
        ("source('stderr')", lambda: len(log.source("stderr"))),
        ("between(1, 2)", lambda: len(log.between(1, 2))),
        ("rate()", log.rate),
        ("gaps()", log.gaps),
        ("levels()", log.levels),
    ]


def each_line(log: Captured, directory: str, kind: str) -> list[Step]:
    path = f"{directory}/saved"
    steps: list[Step] = [
        ("len(logs)", lambda: len(type(log)(log.recording))),
        ("grep, no line matches", lambda: len(log.grep("nowhere to be found"))),
        ("levels()", log.levels),
        ("source('stderr')", lambda: len(log.source("stderr"))),
        ("for line in logs", lambda: sum(1 for _ in log)),
        ("logs.stdout", lambda: log.stdout),
        ("save, .txt", lambda: log.save(f"{path}.txt")),
        ("save, .jsonl", lambda: log.save(f"{path}.jsonl")),
        ("save, .csv", lambda: log.save(f"{path}.csv")),
        ("save, .html", lambda: _save_page(log, f"{path}.html")),
    ]
    if util.find_spec("pyarrow"):
        steps.append(("save, .parquet", lambda: log.save(f"{path}.parquet")))
        steps.append(("pyarrow.table(logs)", lambda: import_module("pyarrow").table(log)))
    if util.find_spec("pandas"):
        steps.append(("to_pandas()", log.to_pandas))
    return [(kind + name, step) for name, step in steps]


def _save_page(log: Captured, path: str) -> None:
    """Save a page without script: the only kind that an older package may have."""
    try:
        log.save(path, viewer=False)
    except TypeError:
        log.save(path)


def peers(log: Captured, directory: str) -> list[Step]:
    """Return the same with Python's own means, ripgrep and polars, on the same text."""
    path = f"{directory}/text.txt"
    log.copy_to(path)
    lines = log.text.splitlines()
    steps: list[Step] = [
        ("Python, text.splitlines()", lambda: log.text.splitlines()),
        ("Python, [x for x in lines if ...]", lambda: [x for x in lines if "nowhere" in x]),
        ("Python, for line in file", partial(_count_lines, path)),
    ]
    if shutil.which("rg"):
        for name, pattern in (
            ("no line matches", "nowhere to be found"),
            ("every line matches", "iteration"),
            ("a literal in few lines", r"99999\d+ iter"),
            ("a literal in each line", r"iteration x+$"),
            ("no literal", r"\d+[ ]y"),
        ):
            command = ["rg", "-c", pattern, path]
            run = partial(subprocess.run, command, stdout=subprocess.DEVNULL, check=False)
            steps.append((f"ripgrep, {name}", run))
    if util.find_spec("polars"):
        polars = import_module("polars")
        read = partial(polars.read_csv, path, has_header=False, separator="\x01", quote_char=None)
        frame = read()
        column = frame.columns[0]
        steps += [
            ("polars, read", read),
            (
                "polars, a literal in few lines",
                lambda: frame.filter(polars.col(column).str.contains(r"99999\d+ iter")),
            ),
            ("polars, write .jsonl", lambda: frame.write_ndjson(f"{directory}/p.jsonl")),
            ("polars, write .csv", lambda: frame.write_csv(f"{directory}/p.csv")),
            ("polars, write .parquet", lambda: frame.write_parquet(f"{directory}/p.parquet")),
        ]
    return steps


def _count_lines(path: str) -> int:
    with open(path, encoding="utf-8") as file:
        return sum(1 for _ in file)


if __name__ == "__main__":
    main()
