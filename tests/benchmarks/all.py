"""Make every figure of the documentation anew, on a machine that does nothing else.

Run as ``python tests/benchmarks/all.py [--write] [--before CLONE] [--only NAME]``. One benchmark
after another prints its table; what each says, and the figures of those that keep them, are put
into ``build/benchmarks/`` under the time of the run. ``--write`` puts the tables into the pages,
``--before`` compares with another clone where a benchmark can.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SPEED = ["--write", "docs/speed.md"]
#: Those that write a table, with what tells them to.
WRITE = {"bench_drain": SPEED, "bench_felt": SPEED}
#: Those that keep their figures with ``--json FILE``, and those that compare with another clone.
KEEP = {"bench_drain", "bench_felt"}
COMPARE = {"bench_drain", "bench_felt"}


def main() -> int:
    """Run all; return how many failed."""
    names = sorted(path.stem for path in HERE.glob("bench_*.py"))
    parser = argparse.ArgumentParser(description="Make every figure of the documentation anew.")
    parser.add_argument("--write", action="store_true", help="put the tables into the pages")
    parser.add_argument("--before", metavar="CLONE", help="another clone, to compare with")
    parser.add_argument("--only", action="append", choices=names, help="may be repeated")
    options = parser.parse_args()
    kept = ROOT / "build" / "benchmarks" / time.strftime("%Y-%m-%d-%H%M%S")
    kept.mkdir(parents=True)
    failed = []
    for name in options.only or names:
        arguments = WRITE.get(name, []) if options.write else []
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
    print(f"kept in {kept}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
