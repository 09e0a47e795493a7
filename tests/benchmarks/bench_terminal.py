"""Measure captures through a terminal beside the other ways to give a program one.

Run as ``python tests/benchmarks/bench_terminal.py [--rounds N] [--write docs/terminal.md]``. The
ways are `capture_fd` with ``tty`` and each drain, ``script(1)`` of util-linux, ``capturer``, and
for the cost of a terminal `capture_fd` with pipes. A child writes 100 MB; the clock runs until all
of it is recorded, and it is counted. Entering and leaving is done 200 times in a process. In a
round, each way has its turn; the figures are medians.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import describe_run, markdown_table

MB = 100
CHILD = f"head -c {MB}000000 /dev/zero | tr '\\0' x"
TIMES_ENTERED = 200


def ours(tty: bool, drain: str) -> tuple[float, float]:
    """Return the seconds for the child's output, and for entering and leaving once."""
    from ipyfdcapture import capture_fd

    with capture_fd(tty=tty, drain=drain) as logs:
        print("warm")
    logs.close()
    began = time.perf_counter()
    with capture_fd(tty=tty, drain=drain) as logs:
        subprocess.run(CHILD, shell=True, check=True)
    bulk = time.perf_counter() - began
    assert logs.nbytes == MB * 1_000_000, logs.nbytes
    logs.close()
    times = []
    for _ in range(TIMES_ENTERED):
        began = time.perf_counter()
        with capture_fd(tty=tty, drain=drain) as logs:
            pass
        times.append(time.perf_counter() - began)
        logs.close()
    return bulk, statistics.median(times)


def script() -> tuple[float, None]:
    with tempfile.NamedTemporaryFile() as file:
        began = time.perf_counter()
        words = ["script", "-q", "-e", "-c", CHILD, file.name]
        subprocess.run(words, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=True)
        bulk = time.perf_counter() - began
        assert os.path.getsize(file.name) >= MB * 1_000_000
    return bulk, None


def capturer() -> tuple[float, float]:
    from capturer import CaptureOutput

    began = time.perf_counter()
    with CaptureOutput(merged=False, relay=False) as output:
        subprocess.run(CHILD, shell=True, check=True)
        output.finish_capture()
    bulk = time.perf_counter() - began
    count = len(output.stdout.get_bytes())
    assert count == MB * 1_000_000, count
    times = []
    for _ in range(10):
        began = time.perf_counter()
        with CaptureOutput(merged=False, relay=False):
            pass
        times.append(time.perf_counter() - began)
    return bulk, statistics.median(times)


WAYS: dict[str, Callable[[], tuple[float, float | None]]] = {
    "**terminal, helper**": lambda: ours(True, "process"),
    "terminal, thread": lambda: ours(True, "thread"),
    "`script`": script,
    "`capturer`": capturer,
    "pipes, helper": lambda: ours(False, "process"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure captures through a terminal.")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--write", metavar="FILE", help="put the table between its markers there")
    parser.add_argument("--measure", metavar="WAY", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        bulk, enter = WAYS[options.measure]()
        print(bulk, enter, file=sys.stderr)
        return
    results: dict[str, list[tuple[float, float | None]]] = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way in random.sample(list(WAYS), len(WAYS)):
            results[way].append(measure(way))
    rows = [
        [f"a child writing {MB} MB", *(f"{median(results[way], 0):.2f} s" for way in WAYS)],
        ["enter and leave", *(milliseconds(median(results[way], 1)) for way in WAYS)],
    ]
    text = markdown_table(["work", *WAYS], rows)
    text += f"\n\n{describe_run(['ipyfdcapture', 'capturer'])}; medians of {options.rounds}.\n"
    print(text)
    if options.write:
        page = Path(options.write)
        markers = re.compile(r"(<!-- benchmarks -->\n).*?(<!-- /benchmarks -->)", re.DOTALL)
        page.write_text(markers.sub(lambda m: m[1] + text + m[2], page.read_text()))


def measure(way: str) -> tuple[float, float | None]:
    """Measure in a process of its own; its last line says what came out."""
    words = [sys.executable, __file__, "--measure", way]
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    bulk, enter = done.stderr.split()[-2:]
    return float(bulk), None if enter == "None" else float(enter)


def median(results: list[tuple[float, float | None]], which: int) -> float | None:
    figures = [figure for result in results if (figure := result[which]) is not None]
    return statistics.median(figures) if figures else None


def milliseconds(seconds: float | None) -> str:
    return "—" if seconds is None else f"{seconds * 1e3:.1f} ms"


if __name__ == "__main__":
    main()
