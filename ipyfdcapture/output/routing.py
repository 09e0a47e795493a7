"""What the methods of a stream that leads to the router do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .capture_stream import CaptureStream, HasEnded
from .foreign import attribute_of
from .late_stream import LateStream
from .router import base_of, destination, outside


def write_routed(name: str, own: Callable[[str], Any], text: str) -> Any:
    """Write text where the router says, else by ``own``."""
    while True:
        stream = destination(name)
        if stream is None:
            return own(text)
        try:
            is_ours = isinstance(stream, CaptureStream | LateStream)
            written = stream.put(text) if is_ours else stream.write(text)
        except HasEnded:  # since the router chose it
            continue
        if isinstance(stream, LateStream) and stream.is_shown_apart:
            with outside(0):  # what is below it asks as well
                own(text)
        return written


def write_bytes_routed(name: str, own: Callable[[Any], Any], data: Any) -> Any:
    """Write bytes where the router says, else past all captures, else by ``own``."""
    while True:
        stream = destination(name) or base_of(name)
        if stream is None:
            return own(data)
        try:
            _write_bytes(stream, data)
        except HasEnded:  # since the router chose it
            continue
        if isinstance(stream, LateStream) and stream.is_shown_apart:
            with outside(0):
                write_bytes_routed(name, own, data)
        return memoryview(data).nbytes


def _write_bytes(stream: Any, data: Any) -> None:
    if isinstance(stream, LateStream):
        stream.write_bytes(data)
        return
    binary = attribute_of(stream, "buffer")
    if binary is None:
        stream.write(bytes(data).decode("utf-8", "replace"))
    else:
        binary.write(data)


def flush_routed(name: str, own: Callable[[], Any]) -> Any:
    """Flush what the router says, else by ``own``."""
    stream = destination(name)
    return own() if stream is None else stream.flush()
