"""The files of a recording as files: naming, moving and removing them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from typing import Any

from ..system.descriptors import PRIVATE, open_private, write_once

_COPY_BYTES = 1 << 20
#: How the names of a recording's files end; few recordings have all of them.
_SUFFIXES = (".data", ".index", ".tail0", ".tail1", ".index.new", ".shown", ".json")


def append_metadata(path: str, changes: dict[str, Any]) -> None:
    """Add one line to a recording's ``.json`` file: fields of its metadata that have changed."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | PRIVATE)
    try:
        # On a line of its own, even if a full disk or a machine without power cut the last one.
        write_all(fd, b"\n" + json.dumps(changes).encode() + b"\n")
    finally:
        os.close(fd)


def mark_crashed(path: str, crashed: int) -> None:
    """Note in the metadata of the recording at ``path`` that its capture crashed.

    Parameters
    ----------
    path
        What the names of the recording's files start with.
    crashed
        When, in ns since the epoch.
    """
    append_metadata(path + ".json", {"crashed": crashed})


def write_all(fd: int, data: bytes | bytearray) -> None:
    """Write all of it: a disk that is nearly full takes a part, and refuses the next."""
    view = memoryview(data)
    while view:
        view = view[write_once(fd, view) :]


def hold_lock(lock_fd: int) -> None:
    """Say that a spool is in use by this process; its helper says so for itself.

    Where the system has no locks, nobody else can take the spool either. Raises `BlockingIOError`
    if somebody is just taking it.
    """
    try:
        import fcntl

        fcntl.lockf(lock_fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except (ImportError, OSError):
        pass


def recording_files(path: str) -> list[str]:
    """Return the files that belong to the recording at ``path``, as far as they exist."""
    return [path + suffix for suffix in _SUFFIXES if os.path.lexists(path + suffix)]


def remove_recording(path: str) -> None:
    """Remove what there is of the recording at ``path``."""
    _unlink([path + suffix for suffix in _SUFFIXES])


def move_recording(path: str, directory: str) -> str:
    """Move a recording into ``directory`` (made 0700 if missing, as those above); return its path.

    If that fails, with an `OSError`, all of it is where it was. The ``.json`` file arrives last
    and goes first: a recording without one is not there.
    """
    _make_private(directory)
    target = os.path.join(directory, os.path.basename(path))
    files = recording_files(path)
    arrived: list[str] = []
    try:
        for file in files:
            arrived.append(target + file[len(path) :])
            _link_or_copy(file, arrived[-1])
    except BaseException:
        _unlink(arrived)
        raise
    _unlink(reversed(files))
    return target


def _make_private(directory: str) -> None:
    """Make a directory, and those above it, for this user alone: `os.makedirs` opens the latter."""
    if not os.path.isdir(directory):
        parent = os.path.dirname(directory)
        if parent != directory:
            _make_private(parent or os.curdir)
        with contextlib.suppress(FileExistsError):  # another process has just made it
            os.mkdir(directory, 0o700)


def _link_or_copy(file: str, destination: str) -> None:
    _unlink([destination])  # left by somebody who was killed while moving it
    try:
        os.link(file, destination)
    except OSError:  # another file system, or one without links
        target = open_private(destination, os.O_WRONLY | os.O_EXCL)
        with open(target, "wb") as out, open(file, "rb") as data:
            while chunk := data.read(_COPY_BYTES):
                out.write(chunk)


def _unlink(files: Iterable[str]) -> None:
    for file in files:
        try:  # noqa: SIM105 - `suppress` takes as long as this, at the end of each log
            os.unlink(file)
        except OSError:
            pass


def remove_tree(directory: str) -> None:
    """Remove a directory and what is in it; what is gone already is no fault."""
    with contextlib.suppress(OSError):
        with os.scandir(directory) as entries:
            found = list(entries)
        for each in found:
            if each.is_dir(follow_symlinks=False):  # a copy of a log that an editor was given
                remove_tree(each.path)
            else:
                _unlink([each.path])
        os.rmdir(directory)
