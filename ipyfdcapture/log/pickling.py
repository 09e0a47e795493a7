"""Pickles that can still be read when the code has moved.

A pickle names what makes an object again by its module. All objects of a log name one function,
`restore`, under the package's own name, and the object by a word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..system import clock

if TYPE_CHECKING:
    from ..recording.recording import Recording, Snapshot

#: The number of its source, the bytes, and when they were read: ns since the epoch.
Chunk = tuple[int, bytes, int]

_makers: dict[str, Callable[..., Any]] = {}


def pickled(name: str, make: Callable[..., Any]) -> None:
    """Register what makes objects of one kind again. The name is written into pickles."""
    _makers[name] = make


def restore(name: str, *arguments: Any) -> Any:
    """Make an object again: ``pickle`` calls it."""
    return _makers[name](*arguments)


# The package's root imports it under this name.
restore.__module__ = "ipyfdcapture"
restore.__qualname__ = restore.__name__ = "_restore"


def parts_of(recording: Recording, snapshot: Snapshot) -> tuple[list[Chunk], dict[str, Any]]:
    """Return a snapshot of a recording as plain data: its chunks, and its metadata."""
    metadata = replace(
        recording.note_loss(snapshot, recording.metadata),
        sources=snapshot.sources,
        dropped_at_gap=0,
    )
    if metadata.ended is None:
        metadata = replace(metadata, stopped=clock.time_ns())
    ends = [*snapshot.starts, len(snapshot)][1:]
    chunks = [
        (source, bytes(snapshot.data[start:end]), moment)
        for source, start, end, moment in zip(
            snapshot.source_numbers, snapshot.starts, ends, snapshot.times, strict=True
        )
    ]
    return chunks, metadata.to_dict()


def recording_of(chunks: list[Chunk], metadata: dict[str, Any]) -> Recording:
    """Make a complete recording of what `parts_of` returned."""
    from ..recording import spool
    from ..recording.copying import record_bytes
    from ..recording.metadata import Metadata

    return record_bytes(spool.directory(), chunks, Metadata.from_dict(metadata))
