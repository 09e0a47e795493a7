"""Coverage by branch of the package: in kernels, in children and in the helper process too.

    python tests/coverage/measure.py [options and files for pytest]

Runs the tests, prints what is not covered, and fails below the percentage in ``pyproject.toml``.
What was killed (SIGKILL, a crash) has told nothing: its lines count if another process ran them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import coverage

#: Measuring disturbs what these test.
LEFT_OUT = {
    "promises/7_memory/test_memory.py": ["test_the_helpers_memory_stays_flat"],
    "promises/3_restores/test_restore.py": [
        "test_a_real_interrupt_at_any_moment_restores",
        "test_a_real_interrupt_at_any_moment_of_run_all_leaves_no_child",
        "test_an_interrupt_at_any_moment_of_a_cell_restores",
        "test_an_interrupt_at_any_moment_of_a_pause_restores",
    ],
    "project/test_soak.py": ["test_faults_at_random_lose_nothing_and_leave_nothing"],
}

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CONFIGURATION = ROOT / "pyproject.toml"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="ipyfdcapture-coverage-") as directory:
        os.chmod(directory, 0o777)  # some tests are another user
        path = [str(HERE), str(ROOT), os.environ.get("PYTHONPATH", "")]
        env = {
            **os.environ,
            "COVERAGE_FILE": os.path.join(directory, "data"),
            "COVERAGE_PROCESS_START": str(CONFIGURATION),
            "IPYFDCAPTURE_COVERAGE_PATH": str(Path(coverage.__file__).parent.parent),
            "IPYFDCAPTURE_SOURCE": str(ROOT / "ipyfdcapture"),
            "PYTHONPATH": os.pathsep.join(part for part in path if part),
        }

        def run(*words: str) -> int:
            command = [sys.executable, "-m", *words]
            return subprocess.run(command, env=env, cwd=ROOT, check=False).returncode

        left_out = [
            f"--deselect=tests/{file}::{test}" for file, tests in LEFT_OUT.items() for test in tests
        ]
        failed = run("pytest", "-q", *left_out, *sys.argv[1:])
        rcfile = f"--rcfile={CONFIGURATION}"
        run("coverage", "combine", "-q", rcfile)
        too_little = run("coverage", "report", rcfile)
    return failed or too_little


if __name__ == "__main__":
    sys.path.remove(str(HERE))  # here lies a sitecustomize, and nothing that is imported
    sys.exit(main())
