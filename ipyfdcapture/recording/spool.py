"""The spool: the private directory in which this process keeps its recordings.

Each process has its own, made at first use (0700, with a name that cannot be foreseen) and
removed when the process ends.

Others tell a spool that is in use from one that was left behind by two locks on a file in it. Each
has a fault that the other has not. A record lock, which the process and its helper each hold, is
lost when this process opens and closes that file once more (as a search through all files does). A
`flock` is inherited by a process that native code forks, which may live on. So a spool was left
behind if nobody has either, or if nobody has a record lock and the process that made it is gone.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator

from ..errors import CaptureError
from ..system import clock
from ..system.descriptors import Descriptor, open_private, write_once
from ..system.forking import Stage, at_fork, fork_safe_lock
from ..system.pipes import out_of_the_way
from .files import hold_lock, remove_tree

LOCK_NAME = "lock"
_BEING_MADE = "ipyfdcapture-new-"
#: A directory of that name that is older is being made by nobody any more.
_HALF_MADE_S = 3600


class Spool:
    """One spool directory of this process."""

    # No dataclass: to make one takes as long as to import five modules, and `%load_ext` waits.
    def __init__(self, path: str, lock_fd: Descriptor) -> None:
        self.path = path
        self.lock_fd = lock_fd
        #: The process.
        self.owner = os.getpid()
        self.user = user_id()


_spools: dict[str, Spool] = {}
#: Those that could not be used any more, though something may still be read there.
_former: list[Spool] = []
#: Others' spools that this process holds at present.
_held: set[tuple[int, int]] = set()
_guard = fork_safe_lock()


def expanded(spool_dir: str) -> str:
    """Return the directory that a user means: ``~`` and ``$HOME`` expanded; empty: the system's
    temporary directory. Raises `OSError` if there is none.
    """
    return os.path.expanduser(os.path.expandvars(spool_dir)) or tempfile.gettempdir()


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
            base = expanded(base)
            spool = _spools.get(base)
            if spool is None or not _is_usable(spool):
                gone, spool = spool, _make(base)
                _spools[base] = spool
                if gone is not None and gone.owner == os.getpid():
                    gone.lock_fd.close()
                    _former.append(gone)
        except OSError as error:
            where = base or "the temporary directory"
            raise CaptureError(
                f"cannot keep a recording in {where}: {error.strerror or error}. "
                "Set CaptureFd.spool_dir (or TMPDIR) to a directory that you can write to"
            ) from error
        return spool


def _is_usable(spool: Spool) -> bool:
    if spool.owner != os.getpid() or spool.user != user_id():
        return False
    if not spool.lock_fd.is_ours():
        try:
            spool.lock_fd = Descriptor(_open_lock(spool.path, hold_lock))
        except OSError:  # removed, or just being so
            return False
    return os.path.isdir(spool.path)


def user_id() -> int:
    """Return the number of this process's user; 0 where users have none."""
    return os.geteuid() if hasattr(os, "geteuid") else 0


def name_prefix() -> str:
    """Return what the names of this user's spool directories start with."""
    return f"ipyfdcapture-{user_id()}-"


def _make(base: str) -> Spool:
    os.makedirs(base, mode=0o700, exist_ok=True)
    # It has its name once it is locked: before that, it would be taken for one left behind.
    being_made = tempfile.mkdtemp(prefix=_BEING_MADE, dir=os.path.abspath(base))
    lock_fd = -1
    try:
        os.chmod(being_made, 0o700)  # whatever the umask
        lock = os.path.join(being_made, LOCK_NAME)
        lock_fd = out_of_the_way(open_private(lock, os.O_RDWR | os.O_EXCL))
        _hold_new_lock(lock_fd)
        folder, name = os.path.split(being_made)
        path = os.path.join(folder, name_prefix() + name.removeprefix(_BEING_MADE))
        os.rename(being_made, path)
    except BaseException:
        if lock_fd >= 0:
            os.close(lock_fd)
        remove_tree(being_made)
        raise
    return Spool(path, Descriptor(lock_fd))


def _hold_new_lock(lock_fd: int) -> None:
    write_once(lock_fd, b"%d\n" % os.getpid())
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    hold_lock(lock_fd)


def _open_lock(path: str, lock: Callable[[int], object]) -> int:
    lock_fd = out_of_the_way(open_private(os.path.join(path, LOCK_NAME), os.O_RDWR))
    try:
        lock(lock_fd)
    except BaseException:
        os.close(lock_fd)
        raise
    return lock_fd


def _lock_alone(lock_fd: int) -> None:
    """Take both locks, or raise `OSError`: the spool is in use, or the system has no locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK)) from None
    fcntl.lockf(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if not _has_ended(os.read(lock_fd, 20)):
            raise


def _has_ended(number: bytes) -> bool:
    """Tell whether there is no process of a number (in digits) any more."""
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError, OverflowError):
        pass
    return False


def remove_half_made(base: str, names: Iterable[str]) -> None:
    """Of ``names`` in ``base``, remove what was to become a spool when its maker was killed."""
    for name in names:
        if name.startswith(_BEING_MADE):
            _remove_if_old(os.path.join(base, name))


def _remove_if_old(path: str) -> None:
    with contextlib.suppress(OSError):
        # It takes the maker a moment. The lock alone would not do: it is made after the directory,
        # and who looks must not make it.
        old = clock.time_ns() / 1e9 - os.lstat(path).st_mtime > _HALF_MADE_S
        if old and is_mine(path):
            with held(path):
                remove_tree(path)


def is_mine(path: str) -> bool:
    """Return whether it is a directory that this user alone can read."""
    status = os.lstat(path)
    private = status.st_uid == user_id() and not status.st_mode & 0o077
    return private and stat.S_ISDIR(status.st_mode)


@contextlib.contextmanager
def held(path: str) -> Iterator[None]:
    """Hold the lock of a spool that was left behind, as the only one.

    Raises `OSError` if its process, its helper or somebody else who holds it is still there.
    """
    with _guard:  # a process is not kept out by its own locks
        this = _identity(path)
        own = [_identity(spool.path) for spool in (*_spools.values(), *_former)]
        if this is None or this in own or this in _held:
            raise BlockingIOError(errno.EAGAIN, "this process holds it", path)
        _held.add(this)
    try:
        lock_fd = _open_lock(path, _lock_alone)
        try:
            yield
        finally:
            os.close(lock_fd)
    finally:
        _held.discard(this)


def _identity(path: str) -> tuple[int, int] | None:
    """Return what tells a directory from any other, by whatever path; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _forget_after_fork() -> None:
    """A forked child has no spool of its own yet, and must not hold its parent's lock."""
    for spool in _spools.values():
        with contextlib.suppress(OSError):
            spool.lock_fd.close()
    _spools.clear()
    _former.clear()
    _held.clear()


def _remove_at_exit() -> None:
    for spool in (*_spools.values(), *_former):
        if spool.owner == os.getpid():
            remove_tree(spool.path)


at_fork(Stage.STATE, in_child=_forget_after_fork)
atexit.register(_remove_at_exit)
