"""The soak for a short time, and that what it checks is checked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.fixtures import FULL
from helpers.load import Load, Writer
from helpers.logs import make_log
from helpers.native import Native

SOAK = Path(__file__).resolve().parents[1] / "soak.py"
SEED = 20_261_121
#: A third of a minute with each change, a minute by night.
SECONDS = 60 if FULL else 20

FAULTS = (
    "helper killed",
    "helper stopped",
    "no descriptors",
    "disk full",
    "disk frozen",
    "interrupt",
    "warnings as errors",
)


@pytest.mark.timeout(600)
def test_faults_at_random_lose_nothing_and_leave_nothing(native: Native) -> None:
    native.c()  # skips where nothing can be compiled
    command = [sys.executable, str(SOAK), f"--minutes={SECONDS / 60}", f"--seed={SEED}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    for fault in FAULTS:
        (line,) = (line for line in done.stdout.splitlines() if line.startswith(fault))
        assert int(line.removeprefix(fault).replace(",", "")) > 0, line


LINES = [b"child1 0\n", b"native2 0\n", b"child1 1\n", b"native2 1\n", b"native2 2\n"]
WRONG = {
    "a line is missing": LINES[:-1],
    "one in the middle is missing": LINES[:2] + LINES[3:],
    "one is there twice": [*LINES, LINES[-1]],
    "two have changed places": [LINES[2], LINES[1], LINES[0], *LINES[3:]],
    "one is damaged": [LINES[0].replace(b"0", b"7"), *LINES[1:]],
    "one is cut": [*LINES[:-1], LINES[-1][:-1]],
    "a stranger's is among them": [*LINES, b"child3 0\n"],
}


@pytest.fixture
def load(native: Native, tmp_path: Path) -> Load:
    return Load(1, native.c(), tmp_path / "report")


def writers() -> list[Writer]:
    made = [Writer("child1", "stdout", 2), Writer("native2", "stdout", 3)]
    for writer in made:
        writer.lines = writer.perhaps = writer.count
    return made


def test_a_log_that_is_right_is_found_right(load: Load) -> None:
    load.check(make_log([(0, b"".join(LINES))]), writers())
    assert load.problems == []
    assert load.counts["bytes"] == sum(map(len, LINES))


@pytest.mark.parametrize("what", WRONG)
def test_a_log_that_is_wrong_is_found_wrong(load: Load, what: str) -> None:
    load.check(make_log([(0, b"".join(WRONG[what]))]), writers())
    assert load.problems


def test_what_is_lost_is_counted_and_what_was_announced_is_not(load: Load) -> None:
    load.check(make_log([(0, b"".join(LINES[:-1]))]), writers())
    assert load.counts["lost"] == len(LINES[-1])
    announced = make_log([(0, b"".join(LINES[:-1]))])
    announced.recording.state.dropped = len(LINES[-1])
    load.problems.clear()
    load.check(announced, writers())
    assert (load.counts["lost"], load.problems) == (len(LINES[-1]), [])
