"""Recordings of kernels that crashed: where they are kept, which are ours, and for how long.

The helper moves the recording of a cell that was being captured to the Jupyter runtime
directory. If the helper died with its kernel, the recording still lies in the spool, and is
moved from there by whoever looks next.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import CaptureError
from ..system import clock
from . import spool
from .files import (
    mark_crashed,
    move_recording,
    recording_files,
    remove_recording,
    remove_tree,
)

# Few kernels crash: what reads recordings is imported where there is one.
if TYPE_CHECKING:
    from .recording import Recording


def notebook_key() -> str:
    """Return what tells this notebook from others, also after its kernel was restarted.

    Jupyter Server names the notebook in ``JPY_SESSION_NAME``. Elsewhere a restarted kernel keeps
    its connection file; a terminal keeps its name.
    """
    name = os.environ.get("JPY_SESSION_NAME")
    if name:
        return "notebook " + os.path.join(_working_directory(), name)
    connection_file = _connection_file()
    if connection_file:
        return "kernel " + connection_file
    for fd in (0, 1, 2):
        with contextlib.suppress(OSError):
            return f"terminal {os.ttyname(fd)} {_working_directory()}"
    return "directory " + _working_directory()


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed, or may not be searched: what the shell called it will do
        return os.environ.get("PWD", "")


def _connection_file() -> str | None:
    import sys

    if "ipykernel" not in sys.modules:
        return None
    try:
        from ipykernel.connect import get_connection_file

        return os.path.abspath(get_connection_file())
    except (ImportError, RuntimeError, OSError):
        return None


def directory(key: str) -> str:
    """Return where recordings of crashed kernels of the notebook ``key`` are kept."""
    import hashlib

    name = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return os.path.join(_root(), name)


def _root() -> str:
    """Return the directory that has one of `directory` for each notebook."""
    from jupyter_core.paths import jupyter_runtime_dir

    return _absolute(os.path.join(jupyter_runtime_dir(), "ipyfdcapture"))


@functools.cache
def _absolute(path: str) -> str:
    """Return what a path meant at first: the program may go elsewhere."""
    return os.path.join(_working_directory(), path)


def find(key: str, spool_dir: str = "") -> list[str]:
    """Return the paths of the recordings that crashed kernels of this notebook left, newest first.

    What lies in spools that nobody uses any more is moved to its place on the way.
    """
    _collect_orphans(key, spool_dir)
    return [each.path for each in _kept_in(directory(key))]


def find_all(key: str, spool_dir: str = "") -> list[str]:
    """Return the same for all notebooks. Orphans that are nobody's go to the notebook ``key``."""
    _collect_orphans(key, spool_dir)
    return [each.path for each in _kept()]


def prune(
    key: str, keep: int, days: float, max_bytes: int | None, spool_dir: str = ""
) -> list[str]:
    """Delete the oldest recordings of crashed kernels; return what `find` does.

    Parameters
    ----------
    key, keep
        Of this notebook, at most so many are kept.
    days, max_bytes
        Of all notebooks, none is kept that is older, and of the newest no more than that many
        bytes: kernels of programs such as papermill never come back. None: all bytes.
    spool_dir
        Where orphans may lie.
    """
    _collect_orphans(key, spool_dir)
    kept = _kept()
    if not kept:
        return []  # most of the time: `directory` would import what makes digests
    folder = directory(key)
    own = [each for each in kept if os.path.dirname(each.path) == folder]
    doomed = set(own[keep:])
    oldest = clock.time_ns() - days * 86400e9
    total = 0
    for each in kept:
        if each not in doomed:
            total += each.nbytes
            if each.changed < oldest or (max_bytes is not None and total > max_bytes):
                doomed.add(each)
    for each in doomed:
        delete(each.path)
        with contextlib.suppress(OSError):  # unless another is in it
            os.rmdir(os.path.dirname(each.path))
    return [each.path for each in own if each not in doomed]


class _Kept(NamedTuple):
    """One recording that a crashed kernel left."""

    changed: int  # ns since the epoch
    path: str
    nbytes: int


def _kept() -> list[_Kept]:
    """Return the recordings of all notebooks, the newest first."""
    root = _root()
    found: list[_Kept] = []
    for name in _names_in(root):
        found += _kept_in(os.path.join(root, name))
    return sorted(found, reverse=True)


def _kept_in(folder: str) -> list[_Kept]:
    """Return the recordings in one directory, the newest first."""
    found: list[_Kept] = []
    for name in _names_in(folder):
        path, suffix = os.path.splitext(os.path.join(folder, name))
        if suffix == ".json":
            with contextlib.suppress(OSError):  # another kernel has just taken it
                changed = os.stat(path + ".json").st_mtime_ns
                sizes = (os.stat(file).st_size for file in recording_files(path))
                found.append(_Kept(changed, path, sum(sizes)))
    return sorted(found, reverse=True)


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # there is none, or it may not be read
        return []


def delete(path: str) -> None:
    """Delete the recording at ``path``."""
    remove_recording(path)


def load(path: str, spool_dir: str = "") -> Recording:
    """Take the recording at ``path`` into this process's spool, where it lives while it is held.

    Raises `CaptureError`, and leaves it where it is, if it cannot be read.
    """
    from .recording import Recording

    with opened(path) as recording:
        recording.snapshot()  # it can be read
    target = move_recording(path, spool.directory(spool_dir))
    return Recording.open(target)


@contextlib.contextmanager
def opened(path: str) -> Iterator[Recording]:
    """Open the recording at ``path`` to look at it; leave it where it is.

    Raises `CaptureError` if it cannot be read, now or in the block.
    """
    from .recording import Recording

    try:
        recording = Recording.open(path)
        try:
            yield recording
        finally:
            recording.keep_files()
    # What damage leads to: sizes that no file, mapping or date can have, bytes that are no text.
    except (OSError, EOFError, ValueError, MemoryError, OverflowError) as error:
        raise CaptureError(f"{path}.data cannot be read as a recording: {error}") from error


def _collect_orphans(key: str, spool_dir: str) -> None:
    """Move what lies in spools that nobody uses any more to its place."""
    try:
        base = _absolute(spool.expanded(spool_dir))
    except OSError:  # there is no directory for temporary files
        return
    names, prefix = _names_in(base), spool.name_prefix()
    spool.remove_half_made(base, names)
    for name in names:
        if name.startswith(prefix):
            path = os.path.join(base, name)
            # One that cannot be read, whatever is wrong with it, does not hide the others.
            with contextlib.suppress(OSError, ValueError, EOFError):
                if spool.is_mine(path):
                    with spool.held(path):
                        _adopt(Path(path), key)


def _adopt(orphan: Path, key: str) -> None:
    """Keep what was being captured when process and helper died; delete the rest.

    Whose a recording is may be lost with its metadata: it is then of the notebook ``key``, which
    has found it.
    """
    from .format import OtherVersionError
    from .salvage import read_metadata

    for file in orphan.glob("*.json"):
        path = str(file)[: -len(".json")]
        if not os.path.exists(path + ".data"):
            continue
        try:
            metadata = read_metadata(path)
        except OtherVersionError:  # to be listed as what it is
            move_recording(path, directory(key))
            continue
        lost = metadata.reconstructed and os.stat(path + ".data").st_size > 0
        notebook = metadata.notebook or (key if lost else None)
        if metadata.stopped is None and notebook:
            if metadata.crashed is not None:
                with contextlib.suppress(OSError):  # a full disk: its time is made up again
                    mark_crashed(path, metadata.crashed)
            move_recording(path, directory(notebook))
    remove_tree(str(orphan))
