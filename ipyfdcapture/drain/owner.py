"""The process that a pump serves: whether it has ended."""

from __future__ import annotations

import os


class Owner:
    """The program that a process ran when this was made.

    A number alone would not do: a process of another program may have it later. Without a number,
    or where the system cannot tell, it counts as ended once it is asked for.
    """

    def __init__(self, process: int | None) -> None:
        self._process = process
        self._program = _program_of(process)
        #: A descriptor that is ready once the process has ended; None where there is none. Its end
        #: of the control socket would not do: a process that native code forked may hold that.
        self.end = _end_of(process)

    def has_ended(self) -> bool:
        """Tell whether it has. A program that takes its place by ``exec`` is another one."""
        return not self._program or self._program != _program_of(self._process)

    def close(self) -> None:
        """Close its descriptor."""
        if self.end is not None:
            os.close(self.end)
            self.end = None


def _end_of(process: int | None) -> int | None:
    if process is None or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(process)
    except OSError:  # it has ended, or a sandbox refuses it
        return None


def _program_of(process: int | None) -> bytes:
    """Return what tells a run of a program from any other; nothing if it ends or cannot be told.

    On Linux, where the system put what it told the program at its start, other for each.
    """
    try:
        with open(f"/proc/{process}/auxv", "rb") as told:
            return told.read()
    except OSError:
        return b""
