"""What a callback, a handler or a live stream prints goes where it would have gone without the
capture, at once, and is not captured again."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers.fixtures import Script
from helpers.process import TESTS_DIR, private_env
from helpers.shown import has_text
from helpers.wait import LIMIT_S

WAYS = [
    "native",
    "python",
    "on_line",
    "without_newline",
    "buffer",
    "handler_native",
    "handler_python",
    "stream",
    "paused_before",
    "while_paused",
    "outer_while_an_inner_runs",
    "inner_into_the_outer",
    "each_into_the_other",
    "in_a_threads_capture",
    "os_write",
    "child",
    "live_to_the_buffer",
    "live_to_a_binary_stream_of_ones_own",
    "live_to_a_text_stream_of_ones_own",
    "live_to_the_terminal",
]


class Shown:
    """What a program has shown so far on a pipe, a terminal or in a file."""

    def __init__(self, read_end: int, is_file: bool) -> None:
        self.text = ""
        self._read_end = read_end
        self._is_file = is_file

    def wait_for(self, expected: str) -> None:
        """Return once it was shown, or nothing more can come."""
        deadline = time.monotonic() + LIMIT_S
        while expected not in self.text and time.monotonic() < deadline:
            if not self._is_file:
                select.select([self._read_end], [], [], LIMIT_S)
            try:
                data = os.read(self._read_end, 1 << 16)
            except OSError:  # a terminal that nobody has open any more
                break
            if not data and not self._is_file:
                break
            self.text += data.decode().replace("\r\n", "\n")


@contextlib.contextmanager
def output_to(kind: str, directory: Path) -> Iterator[tuple[int, int]]:
    """Yield the ends of what a program shows its output on: where it is read, and written."""
    if kind == "file":
        path = directory / "shown"
        write_end = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        read_end = os.open(path, os.O_RDONLY)
    else:
        read_end, write_end = os.pipe() if kind == "pipe" else pty.openpty()
    try:
        yield read_end, write_end
    finally:
        os.close(read_end)
        with contextlib.suppress(OSError):
            os.close(write_end)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["pipe", "file", "terminal"])
def test_it_is_shown_at_once_and_once_in_a_plain_program(
    kind: str, way: str, tmp_path: Path
) -> None:
    script = str(TESTS_DIR / "scripts" / "callback_prints.py")
    with output_to(kind, tmp_path) as (read_end, write_end):
        program = subprocess.Popen(
            [sys.executable, script, way],
            stdin=subprocess.PIPE,
            stdout=write_end,
            stderr=subprocess.PIPE,
            env=private_env(tmp_path),
        )
        if kind != "file":
            os.close(write_end)
        shown = Shown(read_end, kind == "file")
        try:
            shown.wait_for("shown: hello\n")
            _, errors = program.communicate(b"\n", LIMIT_S)
            shown.wait_for("end\n")
        finally:
            program.kill()
            program.wait()
    assert (program.returncode, errors) == (0, b"")
    assert shown.text.replace("\n.", "\n") == "shown: hello\nend\n"


@pytest.mark.parametrize(
    ("way", "moment", "around"),
    [
        ("print", "before", ()),
        ("buffer", "after", ()),
        ("buffer", "amid", ()),
        ("os.write", "amid", ()),
        ("os.write", "before", ["around"]),
        ("os.write", "amid", ["around"]),
        ("child", "amid", ["around"]),
    ],
)
def test_it_is_not_captured_as_a_pause_ends(
    script: Script, way: str, moment: str, around: Sequence[str]
) -> None:
    name = "live/what_a_callback_prints_as_a_pause_ends"
    assert script(name, way, moment, *around) == "shown\nend\n"


@pytest.mark.parametrize("options", ["", "python=True"])
def test_it_is_shown_under_the_cell_in_a_kernel(kernel: Any, options: str) -> None:
    reply = kernel.ok(f"""
import os, threading
from ipyfdcapture import FdCapture
called = threading.Event()
def shout(line):
    print("shown:", line)
    called.set()
with FdCapture(1, shout, {options}) as capture:
    os.write(1, b"hello\\n")
    called.wait(60)
assert capture.captured.text == "hello\\n", capture.captured.text
""")
    assert reply.stream("stdout") == "shown: hello\n"


def test_an_inner_captures_callback_prints_into_the_cells_log(kernel: Any) -> None:
    reply = kernel.ok("""%%capture_fd -v logs
import os
from ipyfdcapture import FdCapture
with FdCapture(1, lambda line: print("shown:", line), python=True) as inner:
    os.write(1, b"hello\\n")
""")
    assert reply.stream("stdout") == ""
    assert kernel.value("logs.text") == "shown: hello\n"
    assert kernel.value("inner.captured.text") == "hello\n"


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ("live='terminal'", "hello\n"),
        ("live=sys.__stdout__", "hello\n"),
        ("live=sys.__stdout__.buffer", "hello\n"),
        ("on_line=lambda line: os.write(1, b'back\\n')", "back\n"),
        ("on_line=lambda line: subprocess.run(['echo', 'back'])", "back\n"),
    ],
)
def test_what_is_written_natively_under_the_cell_is_not_captured_again(
    kernel: Any, options: str, shown: str
) -> None:
    reply = kernel.ok(f"""
import os, subprocess, sys, time
from ipyfdcapture import capture_fd
with capture_fd({options}, live_interval=0.01) as logs:
    os.write(1, b"hello\\n")
    for _ in range(10):  # as many turns as a circle would take
        time.sleep(0.02)
""")
    assert kernel.value("logs.text") == "hello\n"
    messages = reply.messages
    if not has_text(shown)(messages):
        messages += kernel.until(has_text(shown))
    messages += kernel.ok("import time\nfor _ in range(10): time.sleep(0.05)").messages
    text = "".join(
        message["content"]["text"] for message in messages if message["msg_type"] == "stream"
    )
    assert text == shown
