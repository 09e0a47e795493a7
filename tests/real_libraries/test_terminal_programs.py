"""What real programs do when a cell gives them a terminal."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.kernel import Kernel, Message
from helpers.process import TELLS_WHO_WAITS, TESTS_DIR
from helpers.real import need

pytestmark = pytest.mark.parametrize("drain", ["process", "thread"])

BAD_CPP = "int f(int a) { int unused; return undeclared; }\n"


def need_program(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"no {program} on this machine")


def capture(kernel: Kernel, drain: str, code: str, options: str = "") -> Any:
    """Run a cell with a terminal to its end; return its bytes as text."""
    reply = kernel.run(f"%%capture_fd --tty {options} --drain {drain} -v logs\n{code}", timeout=120)
    assert reply.status == "ok", reply.traceback
    assert kernel.value("logs.complete and logs.dropped == 0")
    return kernel.value("logs.raw.decode()")


def run(kernel: Kernel, drain: str, *words: str, options: str = "") -> str:
    """The same for one program, which must end well or badly, but end."""
    code = f"import subprocess\n_ = subprocess.run({words!r}, timeout=20)"
    shown: str = capture(kernel, drain, code, options)
    return shown


def test_python_c_and_children_see_a_terminal(kernel: Kernel, drain: str) -> None:
    after = "(sys.stdout.isatty(), os.isatty(1), dict(os.environ))"
    kernel.ok("import os, sys")
    before = kernel.value(after)
    assert before[:2] == (False, False)
    shown = capture(
        kernel,
        drain,
        "import os, subprocess, sys\n"
        "print(sys.stdout.isatty(), sys.stderr.isatty(), os.isatty(1), os.isatty(2))\n"
        "_ = subprocess.run(['sh', '-c', 'test -t 1 && test -t 2 && echo $COLUMNS $LINES'])\n"
        "_ = subprocess.run(['tput', 'cols'])",
    )
    assert shown == "True True True True\n80 24\n80\n"
    assert kernel.value(after) == before


def test_the_size_is_a_trait(kernel: Kernel, drain: str) -> None:
    kernel.ok("%config CaptureFd.tty_size = (132, 50)")
    try:
        assert run(kernel, drain, "tput", "cols") == "132\n"
    finally:
        kernel.ok("%config CaptureFd.tty_size = None")
    kernel.ok("%config CaptureFd.tty = True")
    try:
        cell = f"%%capture_fd {{}} --drain {drain} -v logs\nimport os; print(os.isatty(1))"
        kernel.ok(cell.format(""))
        assert kernel.value("logs.stdout") == "True\n"
        kernel.ok(cell.format("--no-tty"))
        assert kernel.value("logs.stdout") == "False\n"
    finally:
        kernel.ok("%config CaptureFd.tty = False")


def test_a_compiler_writes_in_colours(kernel: Kernel, drain: str, tmp_path: Path) -> None:
    need_program("g++")
    (tmp_path / "bad.cpp").write_text(BAD_CPP)
    source = str(tmp_path / "bad.cpp")
    shown = run(kernel, drain, "g++", "-fdiagnostics-color=auto", "-Wall", "-c", source)
    assert "\x1b[" in shown and "error:" in shown
    assert kernel.value("logs.levels()")["error"] == 1
    assert "undeclared" in kernel.value("str(logs.grep(level='error')[0])")


def test_cargo_writes_in_colours(kernel: Kernel, drain: str, tmp_path: Path) -> None:
    need_program("cargo")
    # The kernel has another home, where rustup finds no toolchain.
    rustup = os.environ.get("RUSTUP_HOME", os.path.expanduser("~/.rustup"))
    cargo = ["env", f"RUSTUP_HOME={rustup}", "cargo"]
    if subprocess.run(
        [*cargo, "--version"], cwd=tmp_path, check=False, capture_output=True
    ).returncode:
        pytest.skip("cargo has no toolchain")
    (tmp_path / "Cargo.toml").write_text('[package]\nname = "bad"\nversion = "1.0.0"\n')
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.rs").write_text("fn main() { undeclared }\n")
    manifest = f"--manifest-path={tmp_path}/Cargo.toml"
    shown = run(kernel, drain, *cargo, "check", "--offline", manifest)
    assert re.search(r"\x1b\[[0-9;]*m *(Check|Compil)ing\x1b\[", shown)
    assert kernel.value("logs.grep('cannot find value').plain").startswith("error[E0425]: ")


def test_ls_writes_in_colours(kernel: Kernel, drain: str) -> None:
    assert "\x1b[01;34m" in run(kernel, drain, "ls", "--color=auto", "-d", "/usr")


def test_git_shows_its_progress(kernel: Kernel, drain: str, tmp_path: Path) -> None:
    need_program("git")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    run(kernel, drain, "git", "init", "-q", str(tmp_path))
    for number in range(200):
        (tmp_path / str(number)).write_text(str(number))
    run(kernel, drain, *git, "add", ".")
    assert "200 files changed" in run(kernel, drain, *git, "commit", "-m", "all")
    shown = run(kernel, drain, "git", "clone", f"file://{tmp_path}", str(tmp_path / "copy"))
    assert "Receiving objects: 100%" in shown and shown.count("\r") > 5
    # It has much to say, and its pager does not wait for a key.
    assert "all" in run(kernel, drain, *git, "log", "-p", "--color=auto")


def test_a_bar_of_tqdm_is_one_line_and_as_wide_as_the_terminal(kernel: Kernel, drain: str) -> None:
    need("tqdm")
    code = "import tqdm\nfor _ in tqdm.tqdm(range(2000), mininterval=0): pass"
    run(kernel, drain, sys.executable, "-c", code)
    assert kernel.value("len(logs)") == 1
    last = kernel.value("logs.raw.decode().split('\\r')[-1].strip()")
    assert last.startswith("100%|") and "2000/2000" in last and 70 < len(last) <= 80


def test_rich_draws_a_bar_in_colours(kernel: Kernel, drain: str) -> None:
    need("rich")
    code = (
        "from rich.progress import track\n"
        "for _ in track(range(30), description='Work'): pass\n"
        "from rich import print\nprint('[red]red[/red]')"
    )
    shown = run(kernel, drain, sys.executable, "-c", code)
    assert "100%" in shown and "\x1b[31mred\x1b[0m" in shown


def test_pip_draws_a_bar(kernel: Kernel, drain: str, tmp_path: Path) -> None:
    need("pip")
    code = (
        "import time\nfrom pip._internal.cli.progress_bars import get_download_progress_renderer\n"
        "render = get_download_progress_renderer(bar_type='on', size=100_000)\n"
        "for _ in render(b'x' * 1000 for _ in range(100)): pass"
    )
    shown = run(kernel, drain, sys.executable, "-c", code)
    assert "100.0/100.0 kB" in shown and "\x1b[" in shown


def test_a_full_screen_program_runs_and_ends(kernel: Kernel, drain: str) -> None:
    program = str(TESTS_DIR / "scripts" / "terminals" / "full_screen.py")
    shown = run(kernel, drain, sys.executable, program)
    assert "in the middle of the screen" in shown and shown.endswith("after the screen\n")


@pytest.mark.parametrize("pager", ["less", "more", "man"])
def test_a_pager_waits_for_no_key(kernel: Kernel, drain: str, pager: str, tmp_path: Path) -> None:
    need_program(pager)
    long = tmp_path / "long"
    long.write_text("".join(f"line {n}\n" for n in range(500)))
    words = ["man", "sh"] if pager == "man" else [pager, str(long)]
    run(kernel, drain, *words)


@pytest.mark.parametrize("waits_for", ["standard input", "/dev/tty", "getpass"])
def test_a_prompt_gets_no_answer_and_does_not_wait(
    kernel: Kernel, drain: str, waits_for: str
) -> None:
    code = {
        "standard input": "print(repr(__import__('sys').stdin.readline()))",
        "/dev/tty": (
            "import errno\ntry: print(open('/dev/tty').readline())\n"
            "except OSError as error: print(errno.errorcode[error.errno])"
        ),
        "getpass": (
            "import getpass\ntry: getpass.getpass()\nexcept EOFError: print('end of file')"
        ),
    }[waits_for]
    shown = run(kernel, drain, sys.executable, "-c", code)
    assert {
        "standard input": "''",
        "/dev/tty": "ENXIO",
        "getpass": "end of file",
    }[waits_for] in shown


@pytest.mark.skipif(not TELLS_WHO_WAITS, reason="only Linux tells who waits")
def test_one_line_says_who_waits_for_a_key(kernel: Kernel, drain: str) -> None:
    """Whoever reads from the terminal itself, as from descriptor 2, gets no end of file."""
    kernel.ok("import subprocess; from ipyfdcapture import popen")
    msg_id = kernel.send(
        f"%%capture_fd --tty --drain {drain} -v logs\n"
        "words = ['sh', '-c', 'echo Continue?; read answer <&2']\n"
        "child = popen(words, label='child', tty=True)\n"
        "subprocess.run(words)"
    )
    line = "waits for a key, and nobody can press one there"
    kernel.until(lambda messages: sum(count_of(line, message) for message in messages) == 2)
    kernel.interrupt()
    reply = kernel.finish(msg_id)
    assert reply.error[0] == "KeyboardInterrupt"
    kernel.ok("child.kill(); _ = child.wait()")
    assert kernel.value("logs.source('stdout').text") == "Continue?\n"
    assert kernel.value("logs.source('child').text") == "Continue?\n"


def count_of(text: str, message: Message) -> int:
    return str(message["content"].get("text", "")).count(text)


def test_a_program_that_wants_a_password_says_that_it_cannot_ask(
    kernel: Kernel, drain: str, tmp_path: Path
) -> None:
    program = str(TESTS_DIR / "scripts" / "terminals" / "asks_for_a_password.py")
    assert "a terminal is required" in run(kernel, drain, sys.executable, program)
    need_program("ssh-keygen")
    key = str(tmp_path / "key")
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f", key]
    subprocess.run(words, stdin=subprocess.DEVNULL, check=True)
    # It asks as ssh does.
    shown = run(kernel, drain, "ssh-keygen", "-y", "-f", key)
    assert "passphrase" in shown and "ssh-ed25519" not in shown


def test_ssh_says_that_it_cannot_ask(kernel: Kernel, drain: str) -> None:
    need_program("ssh")
    shown = run(kernel, drain, "ssh", "-o", "ConnectTimeout=3", "-p", "1", "nobody@127.0.0.1")
    assert "Connection refused" in shown


def test_a_child_in_a_background_group_is_not_stopped(kernel: Kernel, drain: str) -> None:
    code = (
        "import os, subprocess, sys\n"
        'child = \'import os, termios; os.write(1, b"a"); '
        "termios.tcsetattr(1, termios.TCSANOW, termios.tcgetattr(1)); "
        'os.write(2, b"b"); print("end", os.read(2, 1))\'\n'
        "subprocess.run([sys.executable, '-c', child], preexec_fn=os.setpgrp, timeout=60)\n"
        "subprocess.run([sys.executable, '-c', child], start_new_session=True, timeout=20)"
    )
    capture(kernel, drain, code)
    assert kernel.value("(logs.stdout, logs.stderr)") == (2 * "aend b'q'\n", "bb")


def test_labelled_children_have_terminals_of_their_own(kernel: Kernel, drain: str) -> None:
    code = (
        "from ipyfdcapture import popen, run_all\n"
        "import os\nprint(os.isatty(1))\n"
        "words = ['sh', '-c', 'test -t 1 && test -t 2 && echo $COLUMNS; test -t 0 || echo no']\n"
        "assert popen(words, label='a', tty=True).wait() == 0\n"
        "assert popen(words[:2] + ['test -t 1 || echo pipe'], label='b').wait() == 0\n"
        "done = run_all([words] * 3, tty=True)\n"
        "assert [each.returncode for each in done.results] == [0, 0, 0]"
    )
    kernel.ok(f"%%capture_fd --drain {drain} -v logs\n{code}")
    assert kernel.value("logs.source('a').text") == "80\nno\n"
    assert kernel.value("logs.source('b').text") == "pipe\n"
    assert kernel.value("done.captured.text.count('80')") == 3
    assert kernel.value("logs.source('stdout').text") == "False\n"
