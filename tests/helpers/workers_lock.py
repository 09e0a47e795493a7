"""What one worker of pytest-xdist makes for all of them."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def one_worker_at_a_time(directory: Path, name: str) -> Iterator[None]:
    """Keep other workers from making what has this name until this is done."""
    with open(directory / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
