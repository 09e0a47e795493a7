"""The recording that a capture writes."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

from ..recording.copying import copy_snapshot
from ..recording.metadata import Metadata
from ..recording.recording import Recording
from ..system import clock
from .options import CaptureOptions


def create_recording(
    options: CaptureOptions, metadata: Metadata, directory: str
) -> tuple[Recording, tuple[int, int]]:
    """Make a recording, which starts with a copy of ``append_to``.

    Returns
    -------
    Recording
        The recording.
    tuple of int
        The descriptors of its data and index, which the caller owns.

    Raises
    ------
    OSError
        If it cannot be made. Nothing is left behind.
    """
    metadata = replace(metadata, started=clock.time_ns(), process=os.getpid())
    if options.append_to is None:
        recording, data, index = Recording.create(directory, metadata)
        return recording, (data, index)
    original = options.append_to.recording
    snapshot = original.snapshot()
    more = Counter(snapshot.sources) - Counter(metadata.sources)
    metadata = replace(metadata, sources=(*metadata.sources, *more.elements()))
    recording, data, index = Recording.create(directory, original.note_loss(snapshot, metadata))
    try:
        copy_snapshot(snapshot, recording, data, index)
    except BaseException:
        os.close(data)
        os.close(index)
        recording.close()
        raise
    return recording, (data, index)
