"""Other processes, as far as ``/proc`` of Linux tells about them; elsewhere nothing does."""

from __future__ import annotations

import contextlib
import glob
import os
import platform
from collections.abc import Iterator

#: The number of the system call ``read``, by machine.
_READ = {"x86_64": "0", "aarch64": "63"}.get(platform.machine())


def descendants(pid: int) -> Iterator[int]:
    """Yield the children of a process, and theirs."""
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with contextlib.suppress(OSError, ValueError):
            for child in map(int, _content(path).split()):
                yield child
                yield from descendants(child)


def program_of(pid: int) -> str:
    """Return the name of the program that a process runs; empty if it is gone."""
    with contextlib.suppress(OSError):
        return _content(f"/proc/{pid}/comm").strip()
    return ""


def file_of(pid: int, fd: int) -> str:
    """Return what a descriptor of a process leads to; empty if nobody can tell."""
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/fd/{fd}")
    return ""


def waits_to_read(pid: int) -> str:
    """Return the file that a process waits to read from; empty if it does not, or nobody can tell.

    It is the first thread of the process that counts.
    """
    with contextlib.suppress(OSError, ValueError):
        call, *arguments = _content(f"/proc/{pid}/syscall").split()
        if call == _READ:
            return file_of(pid, int(arguments[0], 16))
    return ""


def _content(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
