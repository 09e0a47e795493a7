"""A process that ends says nothing of what it leaves to the system."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from helpers.fixtures import Script
from helpers.process import private_env, run_python

ENDS = {
    "after a capture": ("with capture_fd() as logs: print('in')\nprint(logs.text, end='')", "in\n"),
    "after a capture in a thread": (
        "with capture_fd(drain='thread') as logs: print('in')\nprint(logs.text, end='')",
        "in\n",
    ),
    "after a log is gone": (
        "with capture_fd() as logs: print('in')\nlogs.close(); del logs\nprint('out')",
        "out\n",
    ),
    "after captures in both": (
        "with capture_fd(drain='thread'), capture_fd() as logs: print('in')\n"
        "print(logs.text, end='')",
        "in\n",
    ),
    "in a capture": ("capture = capture_fd(); logs = capture.start(); print('in')", None),
    "in a capture that nobody holds": (
        "capture_fd().start(); print('in, or where it was')",
        None,
    ),
    "by an exit in a capture": ("with capture_fd() as logs: print('in'); sys.exit(0)", ""),
    "while a child lives on": (
        "with capture_fd() as logs: child = subprocess.Popen(['sh', '-c', 'read x; echo late'], "
        "stdin=subprocess.PIPE)\nchild.stdin.close(); child.returncode = 0",
        None,
    ),
    "with a function at exit that prints": (
        "import atexit\ncapture = capture_fd(); logs = capture.start()\n"
        "atexit.register(lambda: print('at exit'))",
        None,
    ),
    "with an earlier function at exit that captures": (
        "def at_exit():\n    with capture_fd() as logs: print('at exit')\n"
        "    print(logs.text, end='')\n"
        "import atexit; atexit.register(at_exit)\nwith capture_fd() as logs: print('in')\n"
        "sys.modules['__main__'].logs.close()",
        "at exit\n",
    ),
    "with an earlier function at exit that looks at a log": (
        "import atexit; atexit.register(lambda: print(logs.text, end=''))\n"
        "with capture_fd() as logs: print('in')",
        "in\n",
    ),
    "after a child of its own": (
        "child = ipyfdcapture.popen(['echo', 'in']); child.wait()\n"
        "print(child.captured.text, end='')",
        "in\n",
    ),
    "after many children": (
        "results, logs = ipyfdcapture.run_all([['echo', 'in']] * 3, on_line=len)\n"
        "print(logs.text, end='')",
        "in\nin\nin\n",
    ),
    "after a capture of its thread": (
        "with ipyfdcapture.capture_thread() as logs: print('in')\nprint(logs.text, end='')",
        "in\n",
    ),
    "in a capture of one descriptor": (
        "capture = ipyfdcapture.FdCapture(1, len).start()\nos.write(1, b'in\\n')",
        None,
    ),
    "after a live capture": (
        "with capture_fd(live='terminal') as logs: print('in')\nprint(logs.text, end='')",
        "in\nin\n",
    ),
    "after a fork in a capture": (
        "with capture_fd() as logs:\n    pid = os.fork()\n    if not pid:\n        print('child')\n"
        "        sys.exit(0)\n    os.waitpid(pid, 0)\nprint(logs.text, end='')",
        "child\n",
    ),
}


def warning_filters() -> list[str]:
    # Python 3.13 counts threads when hooks have already begun anew what they ended for the fork.
    at_fork = ["ignore:This process:DeprecationWarning"] if sys.version_info[:2] == (3, 13) else []
    return ["error::ResourceWarning", *at_fork]


@pytest.mark.parametrize(("code", "shown"), ENDS.values(), ids=ENDS.keys())
def test_it_ends_without_a_word(tmp_path: Path, code: str, shown: str | None) -> None:
    directory = tmp_path / "python"
    done = run_python(
        f"import os, subprocess, sys, ipyfdcapture\nfrom ipyfdcapture import capture_fd\n{code}",
        directory=directory,
        env={
            **private_env(tmp_path),
            "PYTHONDEVMODE": "1",
            "PYTHONWARNINGS": ",".join(warning_filters()),
        },
    )
    assert (done.returncode, done.stderr) == (0, "")
    if shown is not None:
        assert done.stdout == shown


def test_nothing_is_finalized_once_the_program_has_ended(script: Script) -> None:
    assert script("restore/nothing_is_finalized_once_the_program_has_ended") == "end\n"


def test_a_daemon_thread_that_captures_does_not_hold_up_the_end(script: Script) -> None:
    """It stops wherever it is, and Python flushes the streams after that."""
    script("restore/a_daemon_thread_holds_a_stream_as_the_program_ends")
