"""Hold a cell until the test has looked."""

from __future__ import annotations

import os
from pathlib import Path


class Gate:
    """A named pipe: what opens it to read waits until the test opens it to write."""

    def __init__(self, directory: Path, name: str = "gate") -> None:
        self.path = directory / name
        os.mkfifo(self.path)
        #: A statement, and a shell command, that waits.
        self.wait = f"open({str(self.path)!r}).close()"
        self.shell = f"cat {self.path}"

    def open(self) -> None:
        """Let go on what waits, or comes to wait, at the other end."""
        with open(self.path, "w"):
            pass
