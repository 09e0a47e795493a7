"""The tests without what Linux alone has, as on macOS; on Linux, with gcc.

    python tests/without_linux/run.py [--chosen | options and files for pytest]

Without any, the tests of the promises run, but for those that are named below. ``--chosen``: a
part of them, for each change.

What this cannot show is what only a Mac does: its own scheduling, its terminals, its libc++.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[0] = str(HERE.parent)  # here itself lies a sitecustomize, and nothing that is imported

from helpers.native import Native  # noqa: E402

#: What these test cannot be had here. By file: the tests, and why.
LEFT_OUT: dict[str, dict[str, str]] = {}

#: Some of each promise, with both drains: `logs.wait`, `complete`, killed helpers, dying kernels
#: and late children among them.
CHOSEN: list[str] = []


def main(arguments: list[str]) -> int:
    if arguments == ["--chosen"]:
        arguments = [f"tests/{test}" for test in CHOSEN]
    elif not arguments:
        arguments = ["tests/promises", "tests/unit"]
    left_out = [
        f"--deselect=tests/{file}::{test}" for file, tests in LEFT_OUT.items() for test in tests
    ]
    with tempfile.TemporaryDirectory(prefix="ipyfdcapture-without-linux-") as directory:
        os.chmod(directory, 0o755)  # some tests are another user
        path = [str(HERE), str(ROOT), os.environ.get("PYTHONPATH", "")]
        env = {
            **os.environ,
            "LD_PRELOAD": Native(Path(directory)).c("without_linux"),
            "PYTHONPATH": os.pathsep.join(part for part in path if part),
        }
        command = [sys.executable, "-m", "pytest", "-q", *left_out, *arguments]
        return subprocess.run(command, env=env, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
