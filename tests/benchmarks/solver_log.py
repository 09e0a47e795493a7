"""The log of a solver, as large as wanted."""

from __future__ import annotations

import random
import time

from ipyfdcapture.log.captured import Captured
from ipyfdcapture.recording.format import ENTRY, new_header
from ipyfdcapture.recording.metadata import Metadata
from ipyfdcapture.recording.recording import Recording

#: 655 lines of 100 bytes: what a pipe gives at once.
CHUNK_LINES = 655


def record(directory: str, count: int) -> Captured:
    """Make a log of a solver: one line of a thousand is a warning, one of 100,000 an error."""
    started = time.time_ns()
    metadata = Metadata(
        sources=("stdout", "stderr"), started=started, stopped=started + count * 1000
    )
    recording, data_fd, index_fd = Recording.create(directory, metadata)
    dice = random.Random(1)
    tails = [f" residual {dice.random():.6e} energy {dice.random():.6f}" for _ in range(997)]
    with open(data_fd, "wb", 1 << 22) as data, open(index_fd, "wb", 1 << 16) as index:
        index.write(new_header())
        for first in range(0, count, CHUNK_LINES):
            source = int(first // CHUNK_LINES % 50 == 7)
            index.write(ENTRY.pack(started + first * 1000, first * 100, source))
            last = min(first + CHUNK_LINES, count)
            data.write("".join([_line(i, tails[i % 997]) for i in range(first, last)]).encode())
    return Captured(recording)


def _line(number: int, tail: str) -> str:
    start = f"iteration {number:010d}"
    if number % 1000 == 500:
        start = f"warning: small step at {number}"
    if number % 100_000 == 50_000:
        start = f"error: diverged at {number}"
    return (start + tail).ljust(99)[:99] + "\n"
