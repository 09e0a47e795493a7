"""A log handed to the user as a file: copied, or opened in an editor."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ..recording import spool
from .export import replaced_file
from .reading import Reading

#: Editors that draw in the terminal in which they are started.
_IN_TERMINAL = frozenset(
    ("vi", "vim", "nvim", "view", "nano", "pico", "emacs-nox", "micro", "helix", "hx", "joe", "ed")
)


def copy_to(reading: Reading, name: str, path: str | os.PathLike[str]) -> None:
    """Write the bytes of a log to a file; see `Captured.copy_to`."""
    target = os.path.expanduser(os.fsdecode(path))
    if os.path.isdir(target):
        target = os.path.join(target, name)
    with replaced_file(target) as file:
        for part in reading.raw_parts():
            file.write(part)


def edit(reading: Reading, name: str) -> None:
    """Open the text of a log in the user's editor; see `Captured.edit`."""
    command = _editor()
    in_terminal = os.path.basename(command[0]) in _IN_TERMINAL
    if in_terminal and not (sys.__stdin__ and sys.__stdin__.isatty()):
        raise RuntimeError(
            f"{command[0]} needs a terminal, and there is none: set $VISUAL to an editor with a "
            "window of its own, such as 'code' or 'gvim'"
        )
    # The editor may read the file long after it was started: it goes when this process ends.
    folder = tempfile.mkdtemp(prefix="edit-", dir=spool.directory())
    copy = Path(folder, Path(name).name)
    if not copy.suffix:
        copy = copy.with_suffix(".log")
    with copy.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        file.writelines(reading.text_parts())
    if in_terminal:
        subprocess.run([*command, str(copy)], check=True)
        return
    # The shell puts it into the background and ends: it is nobody's child to wait for.
    launcher = [shutil.which("sh") or "/bin/sh", "-c", '"$0" "$@" &', *command, str(copy)]
    subprocess.run(
        launcher,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=True,
    )


def _editor() -> list[str]:
    """Return the command that the user has set."""
    name = "VISUAL" if os.environ.get("VISUAL") else "EDITOR"
    said = os.environ.get(name, "")
    try:
        command = shlex.split(said)
    except ValueError as error:
        raise RuntimeError(f"${name} is no command: {said!r} ({error})") from None
    if not command:
        raise RuntimeError("no editor is set: set $VISUAL to the command of yours")
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(errno.ENOENT, "no such editor", command[0])
    return command
