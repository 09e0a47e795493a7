"""The tests without what Linux alone has, as on macOS; on Linux, with gcc.

    python tests/without_linux/run.py [--chosen] [options and files for pytest]

Without any, the tests of the promises run. ``--chosen``: a part of them, for each change. Which
these are, and what cannot hold, says ``tests/helpers/without_linux.py``.

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
from helpers.without_linux import CHOSEN, SIMULATED  # noqa: E402


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--chosen"]:
        # More workers would cost more to start than they save.
        arguments = (
            ["-n", "2"]
            + [
                "::".join([f"tests/{file}", test] if test else [f"tests/{file}"])
                for file, tests in CHOSEN.items()
                for test in tests or [""]
            ]
            + arguments[1:]
        )
    elif not arguments:
        arguments = ["tests/promises", "tests/unit"]
    with tempfile.TemporaryDirectory(prefix="ipyfdcapture-without-linux-") as directory:
        os.chmod(directory, 0o755)  # some tests are another user
        path = [str(HERE), str(ROOT), os.environ.get("PYTHONPATH", "")]
        env = {
            **os.environ,
            "LD_PRELOAD": Native(Path(directory)).c("without_linux"),
            "PYTHONPATH": os.pathsep.join(part for part in path if part),
            SIMULATED: "1",
        }
        command = [sys.executable, "-m", "pytest", "-q", *arguments]
        return subprocess.run(command, env=env, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
