"""Make every figure of the documentation anew, on a machine that does nothing else.

Run as ``python tests/benchmarks/all.py [--write] [--before CLONE] [--long] [--quick] [--only
NAME]``. One benchmark after another prints its table, and at the end stands what was to be reached
beside what was. What each says, its figures, and all figures in one ``all.json`` are put into
``build/benchmarks/`` under the time of the run. ``--write`` puts the tables into the pages,
``--before`` compares with another clone where a benchmark can, ``--long`` adds logs of a hundred
million lines (11 GB of disk), and ``--quick`` takes the smallest sizes, to see that all run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from common import markdown_table, plain_table, write_part
from targets import HEADER, Figures, rows

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = "docs/speed.md"
SPEED = ["--write", PAGE]
#: Those that write a table, with what tells them to.
WRITE = {"bench_drain": SPEED, "bench_felt": SPEED}
#: Those that keep their figures with ``--json FILE``, and those that compare with another clone.
KEEP = {"bench_captured", "bench_cluster", "bench_drain", "bench_felt"}
COMPARE = {"bench_captured", "bench_drain", "bench_felt"}
#: The smallest sizes.
QUICK = {
    "bench_captured": ["100000", "--each", "100000"],
    "bench_cluster": ["--only", "latency"],
    "bench_drain": ["--rounds", "1", "--only", "raw", "--only", "enter"],
    "bench_felt": ["--rounds", "1"],
    "bench_live": ["--rounds", "1", "--latency-rounds", "5"],
    "bench_terminal": ["--rounds", "1"],
    "bench_viewer": ["100000"],
}
LONG = {"bench_captured": ["1000000", "10000000", "100000000"]}


def main() -> int:
    """Run all; return how many failed."""
    names = sorted(path.stem for path in HERE.glob("bench_*.py"))
    parser = argparse.ArgumentParser(description="Make every figure of the documentation anew.")
    parser.add_argument("--write", action="store_true", help="put the tables into the pages")
    parser.add_argument("--before", metavar="CLONE", help="another clone, to compare with")
    parser.add_argument("--only", action="append", choices=names, help="may be repeated")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--long", action="store_true", help="logs of 100 million lines, too")
    sizes.add_argument("--quick", action="store_true", help="the smallest sizes")
    options = parser.parse_args()
    kept = ROOT / "build" / "benchmarks" / time.strftime("%Y-%m-%d-%H%M%S")
    kept.mkdir(parents=True)
    failed = []
    for name in options.only or names:
        arguments = (LONG if options.long else QUICK if options.quick else {}).get(name, [])
        if options.write:
            arguments = [*arguments, *WRITE.get(name, [])]
        if name in KEEP:
            arguments = [*arguments, "--json", str(kept / f"{name}.json")]
        if name in COMPARE and options.before:
            arguments = [*arguments, "--before", options.before]
        print(f"\n== {name}", flush=True)
        command = [sys.executable, str(HERE / f"{name}.py"), *arguments]
        with open(kept / f"{name}.txt", "w+", encoding="utf-8") as said:
            if subprocess.run(command, stdout=said, cwd=ROOT).returncode:
                failed.append(name)
            said.seek(0)
            print(said.read(), flush=True)
    report(kept, options.write)
    print(f"kept in {kept}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return len(failed)


def report(kept: Path, write: bool) -> None:
    """Put all figures into one file, and say what was reached."""
    files = sorted(kept.glob("bench_*.json"))
    figures = {path.stem: json.loads(path.read_text()) for path in files}
    found = rows(Figures(kept))
    figures["targets"] = [dict(zip((*HEADER[:-1], "verdict"), row, strict=True)) for row in found]
    (kept / "all.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(plain_table(HEADER, found))
    if write:
        runs = [figure["run"] for figure in figures.values() if "run" in figure]  # type: ignore[call-overload]
        said = f"{markdown_table(HEADER, found)}\n\n{runs[0] if runs else 'No figures'}.\n"
        write_part(str(ROOT / PAGE), "targets", said)


if __name__ == "__main__":
    sys.exit(main())
