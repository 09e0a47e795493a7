"""Clients of clusters in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .process import TESTS_DIR, private_env


@contextmanager
def client_to_be_killed(engine: str, place: str, directory: Path) -> Iterator[None]:
    """Have workers captured by another process, which is killed at the end."""
    script = TESTS_DIR / "scripts" / "clusters" / "a_client_to_be_killed.py"
    process = subprocess.Popen(
        [sys.executable, str(script), engine, place],
        env=private_env(directory),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"captured\n"
        yield
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
