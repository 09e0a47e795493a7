"""Measure a log of 10 million lines (1 GB) beside the obvious: ``text.splitlines()`` and a loop.

Run as ``python tests/benchmarks/bench_captured.py [LINES]``. It prints a table; the obvious is
measured on a tenth of the log and multiplied, because the whole does not fit some machines.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from common import describe_run, peak_bytes

from ipyfdcapture.log.captured import Captured
from ipyfdcapture.recording.format import ENTRY
from ipyfdcapture.recording.metadata import Metadata
from ipyfdcapture.recording.recording import Recording

LINES = 10_000_000
#: 655 lines of 100 bytes: what a pipe gives at once.
CHUNK_LINES = 655
OBVIOUS_SHARE = 10


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    with tempfile.TemporaryDirectory() as directory:
        recording = record(directory, count)
        print(f"{count:,} lines of 100 bytes; {describe_run()}")
        print(f"{'':44}{'time':>12}{'memory so far':>16}")
        measure_captured(Captured(recording))
        recording.close()
        recording = record(directory, count // OBVIOUS_SHARE)
        log = Captured(recording)
        measure_obvious(log)
        measure_all_lines(log, directory, "")
        measure_peers(log, directory)
        recording.close()
        recording = record(directory, count // OBVIOUS_SHARE, chunk_lines=1)
        measure_all_lines(Captured(recording), directory, "two sources by turns: ")
        recording.close()


def record(directory: str, count: int, chunk_lines: int = CHUNK_LINES) -> Recording:
    """Write a recording of ``count`` lines; each 50th chunk is stderr, or each second line."""
    turn = 50 if chunk_lines > 1 else 2
    started = time.time_ns()
    metadata = Metadata(
        sources=("stdout", "stderr"), started=started, stopped=started + count * 1000
    )
    recording, data_fd, index_fd = Recording.create(directory, metadata)
    rest = " iteration " + "x" * 78 + "\n"
    with open(data_fd, "wb", 1 << 22) as data, open(index_fd, "wb", 1 << 16) as index:
        for first in range(0, count, chunk_lines):
            source = int(first // chunk_lines % turn == turn - 1)
            index.write(ENTRY.pack(started + first * 1000, first * 100, source))
            last = min(first + chunk_lines, count)
            data.write("".join([f"{i:010d}{rest}" for i in range(first, last)]).encode())
    return recording


def measure_captured(log: Captured) -> None:
    middle = len_of_text(log) // 2
    base = peak_bytes()
    steps: list[tuple[str, Callable[[], Any]]] = [
        ("len(logs), the first time", lambda: len(log)),
        ("len(logs), again", lambda: len(log)),
        ("logs[middle]", lambda: log[middle]),
        ("list(logs.head(20))", lambda: list(log.head(20))),
        ("list(logs.tail(20))", lambda: list(log.tail(20))),
        ("rich view", lambda: log._repr_mimebundle_()),
        ("grep, no line matches", lambda: len(log.grep("nowhere to be found"))),
        ("grep, one line matches", lambda: len(log.grep(f"{middle:010d}"))),
        ("grep, every line matches", lambda: len(log.grep("iteration"))),
        ("grep, ignore_case", lambda: len(log.grep("NOWHERE", ignore_case=True))),
        ("grep, expression on bytes", lambda: len(log.grep(re.compile(rb"99999\d")))),
        ("grep, a literal in few lines", lambda: len(log.grep(re.compile(r"99999\d+ iter")))),
        ("grep, a literal in each line", lambda: len(log.grep(re.compile(r"iteration x+$")))),
        ("grep, no literal", lambda: len(log.grep(re.compile(r"\d+[ ]y")))),
        ("source('stderr')", lambda: len(log.source("stderr"))),
        ("between(1, 2)", lambda: len(log.between(1, 2))),
        ("rate()", lambda: log.rate()),
        ("gaps()", lambda: log.gaps()),
        ("levels()", lambda: log.levels()),
    ]
    for name, step in steps:
        measure(name, step, base, log.nbytes)


def len_of_text(log: Captured) -> int:
    return log.nbytes // 100


def measure_obvious(log: Captured) -> None:
    """Measure a tenth, and print ten times that."""
    base = peak_bytes()
    lines: list[str] = []

    def split() -> None:
        lines.extend(log.text.splitlines())

    share = OBVIOUS_SHARE
    measure("obvious: text.splitlines()", split, base, log.nbytes, share)
    measure(
        "obvious: [x for x in lines if ...]",
        lambda: [line for line in lines if "nowhere to be found" in line],
        base,
        log.nbytes,
        share,
    )


def measure_all_lines(log: Captured, directory: str, name: str) -> None:
    """Measure what reads each line, a tenth of them, and print ten times that."""
    base = peak_bytes()
    path = f"{directory}/saved"
    steps: list[tuple[str, Callable[[], Any]]] = [
        ("len(logs)", lambda: len(log)),
        ("grep, no line matches", lambda: len(log.grep("nowhere to be found"))),
        ("levels()", lambda: log.levels()),
        ("source('stderr')", lambda: len(log.source("stderr"))),
        ("for line in logs", lambda: sum(1 for _ in log)),
        ("save, .txt", lambda: log.save(f"{path}.txt")),
        ("save, .jsonl", lambda: log.save(f"{path}.jsonl")),
        ("save, .parquet", lambda: log.save(f"{path}.parquet")),
        ("to_pandas()", lambda: log.to_pandas()),
        ("pyarrow.table(logs)", lambda: import_module("pyarrow").table(log)),
    ]
    for step_name, step in steps:
        measure(name + step_name, step, base, log.nbytes, OBVIOUS_SHARE)


def measure_peers(log: Captured, directory: str) -> None:
    """Measure ripgrep and polars on the same text."""
    path = f"{directory}/text.txt"
    with open(path, "wb") as file:
        file.write(log.raw)
    base = peak_bytes()
    for name, pattern in (("no line", "nowhere to be found"), ("each line", r"iteration x+$")):
        if shutil.which("rg"):
            command = ["rg", "-c", pattern, path]
            run = partial(subprocess.run, command, stdout=subprocess.DEVNULL, check=False)
            measure(f"ripgrep, grep, {name}", run, base, log.nbytes, OBVIOUS_SHARE)
    polars = import_module("polars")
    read = partial(polars.read_csv, path, has_header=False, separator="\x01", quote_char=None)
    measure("polars, read", read, base, log.nbytes, OBVIOUS_SHARE)
    frame = read()
    measure(
        "polars, write .jsonl",
        lambda: frame.write_ndjson(f"{directory}/p.jsonl"),
        base,
        log.nbytes,
        OBVIOUS_SHARE,
    )
    measure(
        "polars, write .parquet",
        lambda: frame.write_parquet(f"{directory}/p.parquet"),
        base,
        log.nbytes,
        OBVIOUS_SHARE,
    )


def measure(name: str, step: Callable[[], Any], base: int, nbytes: int, share: int = 1) -> None:
    started = time.perf_counter()
    step()
    seconds = time.perf_counter() - started
    speed = f"{nbytes / seconds / 1e6:10,.0f} MB/s" if "grep" in name or "[x" in name else ""
    memory = (peak_bytes() - base) * share / 1e6
    print(f"{name:44}{seconds * share * 1e3:9,.1f} ms{memory:13,.0f} MB{speed}", flush=True)


if __name__ == "__main__":
    main()
