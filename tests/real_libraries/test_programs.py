"""What real programs print when a cell runs them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers.kernel import Kernel
from helpers.real import capture, grep, levels

BAD_CPP = """\
#include <vector>
int f(int a) { int unused; return a; }
int main() { std::vector<int> v = "text"; return undeclared; }
"""


def need(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"no {program} on this machine")


@pytest.mark.parametrize(
    "call",
    [
        pytest.param("import subprocess\n_ = subprocess.run({words!r})", id="subprocess"),
        # In a kernel, "!" gives the program a terminal: it writes in colours.
        pytest.param("!{line}", id="!"),
    ],
)
def test_the_errors_of_a_compiler_are_counted_and_found(
    kernel: Kernel, call: str, tmp_path: Path
) -> None:
    need("g++")
    (tmp_path / "bad.cpp").write_text(BAD_CPP)
    words = ["g++", "-Wall", "-c", f"{tmp_path}/bad.cpp", "-o", "/dev/null"]
    shown = capture(kernel, call.format(words=words, line=" ".join(words)))
    assert shown == ""
    assert levels(kernel) == {"warning": 1, "error": 2}
    assert "undeclared" in "".join(grep(kernel, level="error"))
    assert "unused" in "".join(grep(kernel, level="warning"))


def test_the_progress_of_git_is_on_stderr(kernel: Kernel) -> None:
    need("git")
    kernel.ok(
        "import os, subprocess\ndef git(*words): return subprocess.run(['git', *words]).returncode"
    )
    capture(
        kernel,
        "git('init', '-q', 'origin')\n"
        "for n in range(300): open(f'origin/{n}', 'w').write(str(n))\n"
        "git('-C', 'origin', 'add', '.')\n"
        "git('-C', 'origin', '-c', 'user.name=n', '-c', 'user.email=e', 'commit', '-m', 'all')",
    )
    assert grep(kernel, "300 files changed", source="stdout")
    capture(kernel, "git('clone', '--progress', 'file://' + os.path.abspath('origin'), 'copy');")
    assert kernel.value("logs.stdout") == ""
    assert kernel.value("logs[0]") == "Cloning into 'copy'..."
    # Progress is written over and over, into one line.
    received = grep(kernel, "Receiving objects")
    assert "Receiving objects: 100% (302/302)" in received[-1]
    assert sum(line.count("\r") for line in received) > 10


def test_the_errors_of_git_are_counted_and_found(kernel: Kernel) -> None:
    need("git")
    capture(kernel, "!git clone /nonexistent copy\n!git checkout nothing")
    assert levels(kernel) == {"critical": 2}
    assert grep(kernel, level="critical")[0] == "fatal: repository '/nonexistent' does not exist"
