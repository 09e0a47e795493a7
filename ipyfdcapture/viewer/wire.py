"""Messages between the kernel and its scan process: JSON, and bytes beside it."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, NamedTuple

_HEADER = struct.Struct("<QQ")
_READ_BYTES = 1 << 20


class Message(NamedTuple):
    """One message."""

    content: dict[str, Any]
    payload: bytes = b""


class Wire:
    """Sends and receives over a stream socket, which it takes over."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self._received = bytearray()

    def send(self, content: dict[str, Any], payload: bytes | bytearray | memoryview = b"") -> None:
        """Send a message, all of it. Raises `OSError` if the other end is gone."""
        text = json.dumps(content).encode()
        self.socket.sendall(_HEADER.pack(len(text), len(payload)) + text)
        if payload:
            self.socket.sendall(payload)

    def receive(self) -> list[Message] | None:
        """Wait for something to come, and return the messages that are whole by then.

        None: the other end is gone.
        """
        try:
            data = self.socket.recv(_READ_BYTES)
        except OSError:
            return None
        if not data:
            return None
        self._received += data
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> Message | None:
        if len(self._received) < _HEADER.size:
            return None
        length, payload_length = _HEADER.unpack_from(self._received)
        start = _HEADER.size
        end = start + length + payload_length
        if len(self._received) < end:
            return None
        content = json.loads(bytes(self._received[start : start + length]))
        payload = bytes(self._received[start + length : end])
        del self._received[:end]
        return Message(content, payload)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()
