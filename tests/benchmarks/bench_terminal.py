"""Measure captures through a terminal beside the other ways to give a program one.

Run as ``python tests/benchmarks/bench_terminal.py [--rounds N]``. The ways are `capture_fd` with
``tty`` and each drain, ``script(1)`` of util-linux and ``capturer`` (``pip install capturer``) as
far as they are installed, and for the cost of a terminal `capture_fd` with pipes. A child writes
100 MB; the clock runs until all of it is recorded, and it is counted. Entering and leaving is done
200 times in a process. In a round, each way has its turn; the figures are medians.

The last lines say whether the targets are reached: bulk output at no less than half of the speed of
the faster peer, and entering and leaving in no more than twice the time that pipes take. If one is
missed, the exit status is 1.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

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


OURS, PIPES = "**terminal, helper**", "pipes, helper"
PEERS: dict[str, Callable[[], tuple[float, float | None]]] = {
    "`script`": script,
    "`capturer`": capturer,
}
WAYS: dict[str, Callable[[], tuple[float, float | None]]] = {
    OURS: lambda: ours(True, "process"),
    "terminal, thread": lambda: ours(True, "thread"),
    **PEERS,
    PIPES: lambda: ours(False, "process"),
}
#: A terminal may take so many times as long as the faster peer, and as pipes.
MOST_OF_PEER = MOST_OF_PIPES = 2


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure captures through a terminal.")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--measure", metavar="WAY", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        bulk, enter = WAYS[options.measure]()
        print(bulk, enter, file=sys.stderr)
        return 0
    missing = []
    if shutil.which("script") is None:
        missing.append("`script`")
    if importlib.util.find_spec("capturer") is None:
        missing.append("`capturer`")
    ways = [way for way in WAYS if way not in missing]
    results: dict[str, list[tuple[float, float | None]]] = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way in random.sample(ways, len(ways)):
            results[way].append(measure(way))
    bulk = {way: median(results[way], 0) for way in ways}
    enter = {way: median(results[way], 1) for way in ways}
    rows = [
        [f"a child writing {MB} MB", *(f"{bulk[way]:.2f} s" for way in ways)],
        ["enter and leave", *(milliseconds(enter[way]) for way in ways)],
    ]
    print(markdown_table(["work", *ways], rows))
    packages = [name for name in ("ipyfdcapture", "capturer") if f"`{name}`" not in missing]
    print(f"\n{describe_run(packages)}; medians of {options.rounds}.")
    for way in missing:
        print(f"Not installed: {way}.")
    peers = {way: bulk[way] for way in PEERS if way in bulk}
    verdicts = [verdict("enter and leave", enter, [PIPES], MOST_OF_PIPES)]
    if peers:
        verdicts.insert(0, verdict("bulk output", bulk, list(peers), MOST_OF_PEER))
    print()
    for said, _ in verdicts:
        print(said)
    return int(not peers or not all(reached for _, reached in verdicts))


def verdict(
    work: str, figures: dict[str, float | None], others: list[str], most: int
) -> tuple[str, bool]:
    """Return a line that says whether a target is reached, and whether it is.

    Parameters
    ----------
    work
        What was measured.
    figures
        How long it took (s), by way.
    others
        The ways to compare with: the fastest of them counts.
    most
        A terminal may take so many times as long as that.
    """
    seconds, name = min((figures[way] or 0.0, way) for way in others)
    took = figures[OURS] or 0.0
    reached = took <= most * seconds
    said = "REACHED" if reached else "MISSED"
    return (
        f"{said}: {work} takes {took / seconds:.2f} times as long as {name} "
        f"({took * 1e3:.2f} ms beside {seconds * 1e3:.2f} ms); the target is at most {most}"
    ), reached


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
    sys.exit(main())
