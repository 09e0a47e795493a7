"""What the methods of a stream that leads to the router do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .capture_stream import CaptureStream, HasEnded
from .router import destination


def write_routed(name: str, own: Callable[[str], Any], text: str) -> Any:
    """Write text where the router says, else by ``own``."""
    while True:
        stream = destination(name)
        if stream is None:
            return own(text)
        try:
            return stream.put(text) if isinstance(stream, CaptureStream) else stream.write(text)
        except HasEnded:  # since the router chose it
            continue


def flush_routed(name: str, own: Callable[[], Any]) -> Any:
    """Flush what the router says, else by ``own``."""
    stream = destination(name)
    return own() if stream is None else stream.flush()
