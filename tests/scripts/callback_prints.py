"""Print from what a capture calls, and wait in the capture for a line on standard input.

Usage: callback_prints.py WAY
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import Any

from ipyfdcapture import (
    FdCapture,
    Line,
    capture_fd,
    capture_thread,
    forward_to_logging,
)


def shout(line: Line) -> None:
    """Show a line by `print`."""
    print("shown:", line)


def write() -> None:
    """Write natively, and wait until the test has seen what comes of it."""
    os.write(1, b"hello\n")
    os.read(0, 1)


def native() -> None:
    with FdCapture(1, callback=shout):
        write()


def python() -> None:
    with FdCapture(
        1, callback=lambda line: line == "hello" and shout(line), python=True
    ) as capture:
        print("captured")
        write()
    assert capture.captured.text == "captured\nhello\n", capture.captured.text


def on_line() -> None:
    with capture_fd(on_line=shout) as logs:
        write()
    assert logs.text == "hello\n", logs.text


def without_newline() -> None:
    with capture_fd(on_line=lambda line: print("shown:", line, end="\n.")) as logs:
        write()
    assert logs.text == "hello\n", logs.text


def buffer() -> None:
    with capture_fd(on_line=lambda line: sys.stdout.buffer.write(b"shown: hello\n")) as logs:
        write()
    assert logs.text == "hello\n", logs.text


def os_write() -> None:
    with capture_fd(on_line=lambda line: os.write(1, b"shown: hello\n")) as logs:
        write()
    assert logs.text == "hello\n", logs.text


def child() -> None:
    with capture_fd(on_line=lambda line: subprocess.run(["echo", "shown: hello"])) as logs:
        write()
    assert logs.text == "hello\n", logs.text


def live_to(live: Any) -> None:
    os.write(1, b"shown: ")
    with capture_fd(live=live, live_interval=0.01) as logs:
        write()
    assert logs.text == "hello\n", logs.text


def live_to_the_buffer() -> None:
    live_to(sys.stdout.buffer)


def live_to_a_binary_stream_of_ones_own() -> None:
    live_to(open(1, "wb", buffering=0, closefd=False))


def live_to_a_text_stream_of_ones_own() -> None:
    live_to(open(1, "w", closefd=False))


def live_to_the_terminal() -> None:
    live_to("terminal")


def handler(python: bool) -> None:
    logger = logging.getLogger("native")
    logger.addHandler(logging.StreamHandler(sys.stdout))
    logger.handlers[0].setFormatter(logging.Formatter("shown: %(message)s"))
    logger.setLevel(logging.INFO)
    with forward_to_logging(logger, python=python) as logs:
        write()
    assert logs.text == "hello\n", logs.text


def handler_native() -> None:
    handler(python=False)


def handler_python() -> None:
    handler(python=True)


def stream() -> None:
    print("shown: ", end="", flush=True)
    with capture_fd(live=sys.stdout, live_interval=0.01) as logs:
        write()
    assert logs.text == "hello\n", logs.text


def paused_before() -> None:
    with FdCapture(1, callback=shout, python=True) as capture:
        capture.pause()
        capture.resume()
        write()


def while_paused() -> None:
    with FdCapture(1, callback=lambda line: (capture.pause(), shout(line)), python=True) as capture:
        write()


def outer_while_an_inner_runs() -> None:
    with capture_fd(on_line=shout) as outer:
        os.write(1, b"hello\n")
        with capture_fd() as inner:
            os.read(0, 1)
    assert (outer.text, inner.text) == ("hello\n", ""), (outer.text, inner.text)


def inner_into_the_outer() -> None:
    with (
        capture_fd(on_line=lambda line: print("shown:", line[-5:])) as outer,
        capture_fd(on_line=lambda line: print("inner:", line)) as inner,
    ):
        write()
    assert (outer.text, inner.text) == ("inner: hello\n", "hello\n"), (outer.text, inner.text)


def each_into_the_other() -> None:
    def to_stderr(line: Line) -> None:
        print("of stdout:", line, file=sys.stderr)

    with (
        FdCapture(2, callback=lambda line: shout(line[-5:]), python=True) as older,  # type: ignore[arg-type]
        FdCapture(1, callback=to_stderr, python=True) as newer,
    ):
        write()
    assert newer.captured.text == "hello\n", newer.captured.text
    assert older.captured.text == "of stdout: hello\n", older.captured.text


def in_a_threads_capture() -> None:
    with capture_thread() as of_thread, capture_fd(on_line=shout) as logs:
        os.write(1, b"hello\n")
        print("captured")
    assert logs.text == "hello\ncaptured\n", logs.text
    assert of_thread.text == "shown: hello\nshown: captured\n", of_thread.text
    print("shown: hello", flush=True)
    os.read(0, 1)


globals()[sys.argv[1]]()
print("end")
