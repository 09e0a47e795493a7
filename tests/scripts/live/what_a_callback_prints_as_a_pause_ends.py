"""Print from a callback exactly as its capture goes on after a pause.

Usage: what_a_callback_prints_as_a_pause_ends.py WAY MOMENT [around]
"""

import contextlib
import os
import subprocess
import sys
import threading

from ipyfdcapture import FdCapture, Line, capture_fd
from ipyfdcapture.output import cstdio, hooked
from ipyfdcapture.output.streams import PythonCapture

WAYS = {
    "print": lambda: print("shown", flush=True),
    "buffer": lambda: sys.stdout.buffer.write(b"shown\n"),
    "os.write": lambda: os.write(1, b"shown\n"),
    "child": lambda: subprocess.run(["echo", "shown"], check=True),
}
way, moment, *around = sys.argv[1:]
go, chosen, resumed, done = (threading.Event() for _ in range(4))


def show(line: Line) -> None:
    assert line == "hello", line
    assert go.wait(30)
    WAYS[way]()
    done.set()


def hold(owner, name) -> None:
    """Have the callback stopped once a function has told it where to write."""
    original = getattr(owner, name)

    def held(*args):
        found = original(*args)
        setattr(owner, name, original)
        chosen.set()
        assert resumed.wait(30)
        return found

    setattr(owner, name, held)


resume = PythonCapture.resume


def resume_slowly(*args):
    """Let the callback print when the descriptor leads to the capture again, and Python not yet."""
    for here in ("before", "after"):
        if moment == here:
            go.set()
            assert done.wait(30)
        if here == "before":
            resume(*args)


PythonCapture.resume = resume_slowly  # type: ignore[assignment]
with (
    capture_fd() if around else contextlib.nullcontext() as outer,
    FdCapture(1, callback=show, python=True) as capture,
):
    print("hello")
    capture.pause()
    if moment == "amid":
        hold(*((hooked, "base_of") if way in ("print", "buffer") else (cstdio, "dup_outside")))
        go.set()
        assert chosen.wait(30)
    capture.resume()
    resumed.set()
    assert done.wait(30)
assert capture.captured.text == "hello\n", capture.captured.text
if outer is not None:
    print(outer.text, end="")
print("end")
