"""A disk that is soon full: a file system of its own, which one program alone sees."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


def on_small_disk(directory: Path, nbytes: int) -> list[str]:
    """Return what stands before a command for which so many bytes fit into a directory.

    Skips the test where the system lets nobody mount anything.
    """
    mount = f'mount -t tmpfs -o size={nbytes} small_disk "$0" && exec "$@"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(directory)]
    try:
        tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("needs unshare, of util-linux")
    if tried.returncode:
        pytest.skip(f"needs a system that lets users mount a tmpfs: {tried.stderr.strip()}")
    return command
