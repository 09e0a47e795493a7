"""A process that is kept from one capture to later ones, and writes what it is told."""

from __future__ import annotations

import os
import subprocess
import sys

from .holes import assert_kept

#: Reads lines such as ``1 text``, writes the text and a line end to that descriptor, and says that
#: it has done so on its last one.
_WRITER = """
import os, sys
for line in sys.stdin:
    fd, text = line.rstrip("\\n").split(" ", 1)
    left = text.encode() + b"\\n"
    while left:
        left = left[os.write(int(fd), left) :]
    os.write({told}, b"told\\n")
"""
#: Writes numbered lines without an end.
_FLOOD = """
import itertools, os
for first in itertools.count(0, 2000):
    left = b"".join(b"%09d\\n" % n for n in range(first, first + 2000))
    while left:
        left = left[os.write(1, left) :]
"""


class KeptProcess:
    """A child that writes to its descriptors 1 and 2 when it is told to, until the block ends."""

    def __init__(self) -> None:
        read_end, told = os.pipe()
        self._told = os.fdopen(read_end)
        code = _WRITER.format(told=told)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", code],
                stdin=subprocess.PIPE,
                text=True,
                pass_fds=[told],
            )
        except BaseException:
            self._told.close()
            raise
        finally:
            os.close(told)

    def write(self, text: str, fd: int = 1) -> None:
        """Have it write a line; return when it has."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{fd} {text}\n")
        self._process.stdin.flush()
        assert self._told.readline() == "told\n"

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._told.close()

    def __enter__(self) -> KeptProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class Flood:
    """A child that writes numbered lines as fast as it can, until the block ends."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-I", "-S", "-c", _FLOOD])

    def __enter__(self) -> Flood:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def assert_contiguous(raw: bytes) -> None:
    """Check that it is a piece of what a `Flood` writes, with nothing doubled, and nothing missing
    that a helper that was killed once must not lose."""
    whole = raw[raw.find(b"\n") + 1 : raw.rfind(b"\n") + 1]
    lines = whole.split()
    assert lines, raw[:100]
    assert_kept(whole, b"".join(b"%09d\n" % n for n in range(int(lines[0]), int(lines[-1]) + 1)))
