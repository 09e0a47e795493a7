"""The spool: the private directory in which this process keeps its recordings.

Each process has its own, made at first use (0700, with a name that cannot be foreseen) and
removed when the process ends. A lock file in it is held by the process and its helper, so that
others can tell a spool that is in use from one that was left behind.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from .drain.pump import out_of_the_way, remove_tree
from .errors import CaptureError

LOCK_NAME = "lock"
_BEING_MADE = "ipyfdcapture-new-"


@dataclass
class Spool:
    """One spool directory of this process."""

    path: str
    lock_fd: int
    owner: int  # the process


_spools: dict[str, Spool] = {}
_guard = threading.Lock()


def directory(base: str = "") -> str:
    """Return the path of this process's spool below ``base`` (default: the system's temporary
    directory), making it if need be.

    Raises `CaptureError` if no private directory can be made there.
    """
    return open_spool(base).path


def open_spool(base: str = "") -> Spool:
    """Like `directory`, with the lock."""
    with _guard:
        try:
            base = base or tempfile.gettempdir()
            spool = _spools.get(base)
            if spool is None or spool.owner != os.getpid() or not os.path.isdir(spool.path):
                gone, spool = spool, _make(base)
                _spools[base] = spool
                if gone is not None and gone.owner == os.getpid():
                    os.close(gone.lock_fd)
        except OSError as error:
            where = base or "the temporary directory"
            raise CaptureError(
                f"cannot keep a recording in {where}: {error.strerror or error}. "
                "Set CaptureFd.spool_dir (or TMPDIR) to a directory that you can write to"
            ) from error
        return spool


def name_prefix() -> str:
    """Return what the names of this user's spool directories start with."""
    return f"ipyfdcapture-{os.getuid()}-"


def _make(base: str) -> Spool:
    os.makedirs(base, mode=0o700, exist_ok=True)
    # It has its name once it is locked: before that, it would be taken for one left behind.
    being_made = tempfile.mkdtemp(prefix=_BEING_MADE, dir=os.path.abspath(base))
    lock_fd = -1
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        lock_fd = out_of_the_way(os.open(os.path.join(being_made, LOCK_NAME), flags, 0o600))
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder, name = os.path.split(being_made)
        path = os.path.join(folder, name_prefix() + name.removeprefix(_BEING_MADE))
        os.rename(being_made, path)
    except BaseException:
        if lock_fd >= 0:
            os.close(lock_fd)
        remove_tree(being_made)
        raise
    return Spool(path, lock_fd, os.getpid())


@contextlib.contextmanager
def held(path: str) -> Iterator[None]:
    """Hold the lock of a spool that was left behind.

    Raises `OSError` if its process, its helper or somebody else who holds it is still there.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    lock_fd = os.open(os.path.join(path, LOCK_NAME), flags, 0o600)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock_fd)


def _forget_after_fork() -> None:
    """A forked child has no spool of its own yet, and must not hold its parent's lock."""
    global _guard
    _guard = threading.Lock()
    for spool in _spools.values():
        with contextlib.suppress(OSError):
            os.close(spool.lock_fd)
    _spools.clear()


def _remove_at_exit() -> None:
    for spool in _spools.values():
        if spool.owner == os.getpid():
            remove_tree(spool.path)


os.register_at_fork(after_in_child=_forget_after_fork)
atexit.register(_remove_at_exit)
