"""Which machine this is: processes of one machine can read each other's recordings."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import stat
from pathlib import Path
from typing import Any


@functools.cache
def host_id() -> str:
    """Return a word that is the same for all processes of this user that see each other's files.

    Two containers of one machine see neither the same files nor the same process numbers.
    """
    words = [socket.gethostname(), str(os.geteuid())]
    with contextlib.suppress(OSError):  # macOS
        words.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        words += [os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "pid")]
    return " ".join(words)


def process_id() -> str:
    """Return what tells this process from all others."""
    return f"{host_id()} {os.getpid()}"


def is_running(pid: int) -> bool:
    """Tell whether a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    try:  # one that has ended, and whose parent has not looked yet, runs no more
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, IndexError):
        return True


def standard_files() -> list[list[int]]:
    """Return what descriptors 1 and 2 lead to, as device and inode."""
    found = []
    for fd in (1, 2):
        try:
            status = os.fstat(fd)
        except OSError:
            continue
        found.append([status.st_dev, status.st_ino])
    return found


def is_pipe(fd: int) -> bool:
    """Tell whether a descriptor leads to a pipe."""
    try:
        return stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False


def this_client() -> dict[str, Any]:
    """Return what a worker must know of this process to tell whether it writes where this does."""
    return {"host": host_id(), "pid": os.getpid(), "files": standard_files()}
