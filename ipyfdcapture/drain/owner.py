"""The process that a pump serves: whether it has ended."""

from __future__ import annotations

import os
import select
from typing import Any

_select: Any = select  # what it has differs from system to system

#: How long the end of a process is waited for that has closed all its files. On macOS these go
#: first, and its end is told some milliseconds later.
_END_S = 3.0


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


class KqueueOwner(Owner):
    """The same with a kqueue, which is told what happens to the process, whatever its number."""

    def __init__(self, process: int | None) -> None:
        self.end: int | None = None
        self._kqueue = None
        self._has_ended = False
        if process is None:
            return
        try:
            self._kqueue = _select.kqueue()
            self._kqueue.control([_end_or_exec(process)], 0)
            poll = select.poll()
            poll.register(self._kqueue.fileno(), select.POLLIN)
            if not poll.poll(0):  # else a system whose poll takes no kqueue: the socket has to do
                self.end = self._kqueue.fileno()
        except ProcessLookupError:
            self.close()
            self.end = _ready()
        except OSError:  # a sandbox refuses it
            self.close()

    def has_ended(self) -> bool:
        """Tell whether it has. A program that takes its place by ``exec`` is another one."""
        if self._kqueue is not None and not self._has_ended:
            self._has_ended = bool(self._kqueue.control(None, 1, _END_S))  # told once
        return self._kqueue is None or self._has_ended

    def close(self) -> None:
        """Close its descriptor."""
        if self._kqueue is not None:
            self._kqueue.close()
        elif self.end is not None:
            os.close(self.end)
        self._kqueue = self.end = None


def _end_or_exec(process: int) -> Any:
    notes = _select.KQ_NOTE_EXIT | _select.KQ_NOTE_EXEC
    return _select.kevent(process, _select.KQ_FILTER_PROC, _select.KQ_EV_ADD, notes)


def open_owner(process: int | None) -> Owner:
    """Return the owner, watched as this system allows it."""
    return (KqueueOwner if hasattr(select, "kqueue") else Owner)(process)


def _end_of(process: int | None) -> int | None:
    if process is None or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(process)
    except ProcessLookupError:
        return _ready()
    except OSError:  # a sandbox refuses it
        return None


def _ready() -> int:
    """Return a descriptor that is ready: the process has ended before anybody could watch it.

    A process that native code forked may hold its end of the control socket all the same.
    """
    read_end, write_end = os.pipe()
    os.close(write_end)
    return read_end


def _program_of(process: int | None) -> bytes:
    """Return what tells a run of a program from any other; nothing if it ends or cannot be told.

    On Linux, where the system put what it told the program at its start, other for each.
    """
    try:
        with open(f"/proc/{process}/auxv", "rb") as told:
            return told.read()
    except OSError:
        return b""
