"""Recordings of kernels that crashed: where they are kept, which are ours, and for how long.

The helper moves the recording of a cell that was being captured to the Jupyter runtime
directory. If the helper died with its kernel, the recording still lies in the spool, and is
moved from there by whoever looks next.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import CaptureError
from . import spool
from .files import mark_crashed, move_recording, recording_files, remove_tree
from .format import OtherVersionError
from .recording import Recording
from .salvage import read_metadata


def notebook_key() -> str:
    """Return what tells this notebook from others, also after its kernel was restarted.

    Jupyter Server names the notebook in ``JPY_SESSION_NAME``. Elsewhere a restarted kernel keeps
    its connection file; a terminal keeps its name.
    """
    name = os.environ.get("JPY_SESSION_NAME")
    if name:
        return "notebook " + os.path.join(os.getcwd(), name)
    connection_file = _connection_file()
    if connection_file:
        return "kernel " + connection_file
    for fd in (0, 1, 2):
        with contextlib.suppress(OSError):
            return f"terminal {os.ttyname(fd)} {os.getcwd()}"
    return "directory " + os.getcwd()


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
    from jupyter_core.paths import jupyter_runtime_dir

    name = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return os.path.join(jupyter_runtime_dir(), "ipyfdcapture", name)


def find(key: str, spool_dir: str = "") -> list[str]:
    """Return the paths of the recordings that crashed kernels of this notebook left, newest first.

    What lies in spools that nobody uses any more is moved to its place on the way.
    """
    base = spool_dir or tempfile.gettempdir()
    spool.remove_half_made(base)
    _adopt_orphans(base, key)
    changed: dict[str, int] = {}
    for file in Path(directory(key)).glob("*.json"):
        with contextlib.suppress(FileNotFoundError):  # another kernel has just taken it
            changed[str(file)[: -len(".json")]] = file.stat().st_mtime_ns
    return sorted(changed, key=changed.__getitem__, reverse=True)


def prune(key: str, keep: int, days: float, spool_dir: str = "") -> None:
    """Delete the oldest recordings of this notebook's crashed kernels.

    Keeps at most ``keep``, and none that is older than ``days``.
    """
    oldest = time.time() - days * 86400
    for position, path in enumerate(find(key, spool_dir)):
        with contextlib.suppress(OSError):
            if position >= keep or os.stat(path + ".json").st_mtime < oldest:
                delete(path)


def delete(path: str) -> None:
    """Delete the recording at ``path``."""
    for file in recording_files(path):
        with contextlib.suppress(OSError):
            os.unlink(file)


def load(path: str, spool_dir: str = "") -> Recording:
    """Take the recording at ``path`` into this process's spool, where it lives while it is held.

    Raises `CaptureError`, and leaves it where it is, if it cannot be read.
    """
    with opened(path):
        pass  # it can be read
    target = move_recording(path, spool.directory(spool_dir))
    return Recording.open(target)


@contextlib.contextmanager
def opened(path: str) -> Iterator[Recording]:
    """Open the recording at ``path`` to look at it; leave it where it is.

    Raises `CaptureError` if it cannot be read.
    """
    try:
        recording = Recording.open(path)
        try:
            recording.snapshot()
        finally:
            recording.keep_files()
    except (OSError, EOFError) as error:
        raise CaptureError(f"{path}.data cannot be read as a recording: {error}") from error
    yield recording


def _adopt_orphans(base: str, key: str) -> None:
    for path in Path(base).glob(spool.name_prefix() + "*"):
        with contextlib.suppress(OSError):
            if spool.is_mine(str(path)):
                with spool.held(str(path)):
                    _adopt(path, key)


def _adopt(orphan: Path, key: str) -> None:
    """Keep what was being captured when process and helper died; delete the rest.

    Whose a recording is may be lost with its metadata: it is then of the notebook ``key``, which
    has found it.
    """
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
