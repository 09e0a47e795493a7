"""What live costs: how late output is shown, and how much slower the writer gets.

``python tests/benchmarks/bench_live.py``: starts a kernel. Ratios are of the same run, the ways in
turn, and hold better than seconds. Before each cell, as much as it may write is written to a file
and deleted, so that the memory is at hand.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

TESTS_DIR = Path(__file__).resolve().parent.parent
for place in (str(TESTS_DIR), str(TESTS_DIR.parent)):
    if place not in sys.path:
        sys.path.insert(0, place)

from benchmarks.common import describe_run, plain_table, provide_memory  # noqa: E402
from helpers.kernel import Kernel  # noqa: E402

LATENCY_ROUNDS = 100
MOST_BYTES = 1_000_000_000
LIBRARY = TESTS_DIR / "native" / "out.c"

#: Writes the time at which it writes, at moments that have nothing to do with ours.
STAMPS = """\
import os, random, time
for _ in range({rounds}):
    time.sleep(random.uniform(0.15, 0.3))
    {write}
"""
WRITES = {
    "print": "print(time.time())",
    "os.write": "_ = os.write(1, f'{time.time()}\\n'.encode())",
    "C printf, unflushed": "_ = libc.printf(b'%s\\n', str(time.time()).encode())",
}

WORKLOADS = {
    "a child writes 1 GB": "_ = subprocess.run('head -c 1000000000 /dev/zero', shell=True)",
    "a child writes 1 GB of lines": "_ = subprocess.run('yes | head -c 1000000000', shell=True)",
    "1 M raw writes of 100 bytes": "_ = out.write_lines(1, b'x' * 92, 10**6)",
    "200 k lines from Python": "for i in range(200_000): print(i)",
    "a cell that prints nothing": "pass",
}


def latencies(kernel: Kernel, write: str, rounds: int) -> list[float]:
    """Return how long (ms) after each write its message was received."""
    msg_id = kernel.send("%%capture_fd --live\n" + STAMPS.format(rounds=rounds, write=write))
    found: list[float] = []
    while len(found) < rounds:
        message = kernel.client.get_iopub_msg(timeout=60)
        now = time.time()
        if message["msg_type"] == "stream" and message["parent_header"]["msg_id"] == msg_id:
            times = message["content"]["text"].split()
            found += [(now - float(stamp)) * 1000 for stamp in times]
    kernel.finish(msg_id)
    return found


def seconds(kernel: Kernel, line: str, body: str) -> float:
    """Return how long a cell takes, as the front end sees it."""
    start = time.perf_counter()
    kernel.ok(f"{line}\n{body}")
    return time.perf_counter() - start


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency-rounds", type=int, default=LATENCY_ROUNDS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        kernel = Kernel(Path(directory))
        try:
            kernel.load()
            report(kernel, Path(directory), args.rounds, args.latency_rounds)
        finally:
            kernel.close()


def report(kernel: Kernel, directory: Path, rounds: int, latency_rounds: int) -> None:
    """Measure, and print."""
    library = directory / "out.so"
    compile_it = f"gcc -O2 -shared -fPIC {LIBRARY} -o {library} -lpthread"
    kernel.ok(
        "import ctypes, subprocess, os\n"
        f"subprocess.run({compile_it!r}, shell=True, check=True)\n"
        f"out = ctypes.CDLL({str(library)!r}); libc = ctypes.CDLL(None)"
    )
    print(describe_run(["ipyfdcapture", "ipython", "ipykernel"]))
    rows = []
    for name, write in WRITES.items():
        found = sorted(latencies(kernel, write, latency_rounds))
        rows.append(
            [name, *(f"{value:.0f}" for value in (found[0], statistics.median(found), found[-1]))]
        )
    print(f"\nfrom write to message received, ms ({latency_rounds} writes each)")
    print(plain_table(["written by", "least", "median", "most"], rows))

    rows = []
    for name, body in WORKLOADS.items():
        lines = {
            "not": "%%capture_fd",
            "live": "%%capture_fd --live",
            "tail": "%%capture_fd --tail 5",
        }
        taken: dict[str, list[float]] = {way: [] for way in lines}
        for _ in range(rounds * (10 if body == "pass" else 1)):
            for way, line in lines.items():
                provide_memory(MOST_BYTES if body != "pass" else 0)
                taken[way].append(seconds(kernel, line, body))
        middle = {way: statistics.median(each) for way, each in taken.items()}
        rows.append(
            [
                name,
                *(f"{middle[way] * 1000:.1f}" for way in lines),
                f"{middle['not'] / middle['live']:.2f}",
                f"{middle['not'] / middle['tail']:.2f}",
            ]
        )
    print(f"\nms for a cell, median of {rounds}; speed as part of that without a live view")
    header = ["work", "not live", "--live", "--tail 5", "speed live", "speed tail"]
    print(plain_table(header, rows))

    empty = {"no capture": [], "every cell": []}
    for _ in range(rounds * 10):
        kernel.ok("%capture_fd --off")
        empty["no capture"].append(seconds(kernel, "", "pass"))
        kernel.ok("%capture_fd --every-cell")
        seconds(kernel, "", "pass")
        empty["every cell"].append(seconds(kernel, "", "pass"))
    plain, every = (statistics.median(each) * 1000 for each in empty.values())
    print(f"\na cell that prints nothing: {plain:.2f} ms; with --every-cell {every:.2f} ms")


if __name__ == "__main__":
    main()
