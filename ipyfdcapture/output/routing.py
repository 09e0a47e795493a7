"""What the methods of a stream that leads to the router do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ..system.forking import free_locks
from .capture_stream import CaptureStream, HasEnded
from .foreign import attribute_of
from .late_stream import LateStream
from .router import base_of, destination, outside
from .writing import write_completely

_CAPTURES = (CaptureStream, LateStream)


def write_routed(name: str, own: Callable[[str], Any], text: str) -> Any:
    """Write text where the router says, else by ``own``."""
    return _route(name, own, text, "put", lambda stream: stream.write(text))


def write_bytes_routed(name: str, own: Callable[[Any], Any], data: Any, encoding: str) -> Any:
    """Write bytes where the router says, else by ``own``; see `write_bytes`."""
    return _route(name, own, data, "put_bytes", lambda stream: write_bytes(stream, data, encoding))


def _route(
    name: str, own: Callable[[Any], Any], data: Any, put: str, write: Callable[[Any], Any]
) -> Any:
    """Write to a capture by its stream's ``put``, to a user's by ``write``, else by ``own``."""
    while True:
        stream = destination(name)
        if stream is None:
            return own(data)
        if not isinstance(stream, _CAPTURES):
            return write(stream)
        try:
            written = getattr(stream, put)(data)
        except HasEnded:  # since the router chose it
            continue
        if stream.is_shown_apart:
            with outside(0):  # what is below it asks as well
                own(data)
        return written


def write_bytes(stream: Any, data: Any, encoding: str) -> int:
    """Write bytes to a stream; as text in ``encoding`` if it has no binary side."""
    chunk = data if type(data) is bytes else memoryview(data).tobytes()
    binary = attribute_of(stream, "buffer")
    if binary is None:
        stream.write(chunk.decode(encoding, "replace"))
    else:
        binary.write(chunk)
    return len(chunk)


def write_on(name: str, fd: int, data: Any) -> None:
    """Write bytes where the router says by now: what it had chosen for them has ended."""

    def own(data: Any) -> None:
        base = base_of(name)
        if base is None:
            write_completely(fd, data)
        else:
            write_bytes(base, data, "utf-8")

    write_bytes_routed(name, own, data, "utf-8")


def flush_routed(name: str, own: Callable[[], Any]) -> Any:
    """Flush what the router says, else by ``own``."""
    if sys.is_finalizing():  # first of all, which stops daemon threads amid whatever they do
        free_locks()
    stream = destination(name)
    return own() if stream is None else stream.flush()
