"""Messages between the kernel and its scan process: JSON, and bytes beside it."""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import struct
from typing import Any, NamedTuple

from ..system.descriptors import NO_SIGNAL

_HEADER = struct.Struct("<QQ")
_READ_BYTES = 1 << 20


class Message(NamedTuple):
    """One message."""

    content: dict[str, Any]
    payload: bytes = b""


class Wire:
    """Sends and receives over a stream socket, which it takes over.

    Parameters
    ----------
    end
        The socket.
    reads_meanwhile
        Read what comes while there is no room to send. One of both ends must: else each would
        wait for the other to read, once both have sent more than a socket holds (8 KiB on macOS).
    """

    def __init__(self, end: socket.socket, reads_meanwhile: bool = False) -> None:
        self.socket = end
        self._reads_meanwhile = reads_meanwhile
        self._received = bytearray()

    def send(self, content: dict[str, Any], payload: bytes | bytearray | memoryview = b"") -> None:
        """Send a message, all of it. Raises `OSError` if the other end is gone."""
        text = json.dumps(content).encode()
        self._send_all(_HEADER.pack(len(text), len(payload)) + text)
        if payload:
            self._send_all(payload)

    def _send_all(self, data: bytes | bytearray | memoryview) -> None:
        if not self._reads_meanwhile:
            self.socket.sendall(data, NO_SIGNAL)
            return
        left = memoryview(data)
        while left:
            try:
                left = left[self.socket.send(left, socket.MSG_DONTWAIT | NO_SIGNAL) :]
            except BlockingIOError:
                self._read_until_there_is_room()

    def _read_until_there_is_room(self) -> None:
        waiter = select.poll()
        waiter.register(self.socket, select.POLLIN | select.POLLOUT)
        while not (events := waiter.poll()[0][1]) & select.POLLOUT:
            self._read(events)

    def _read(self, events: int) -> None:
        data = self.socket.recv(_READ_BYTES) if events & select.POLLIN else b""
        if not data:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        self._received += data

    @property
    def has_message(self) -> bool:
        """Whether a whole message was read already."""
        return self._end_of_next() is not None

    def receive(self) -> list[Message] | None:
        """Wait for something to come, and return the messages that are whole by then.

        None: the other end is gone.
        """
        if not self.has_message:
            try:
                self._read(select.POLLIN)
            except OSError:
                return None
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> Message | None:
        end = self._end_of_next()
        if end is None:
            return None
        length, _ = _HEADER.unpack_from(self._received)
        start = _HEADER.size
        content = json.loads(bytes(self._received[start : start + length]))
        payload = bytes(self._received[start + length : end])
        del self._received[:end]
        return Message(content, payload)

    def _end_of_next(self) -> int | None:
        if len(self._received) < _HEADER.size:
            return None
        end: int = _HEADER.size + sum(_HEADER.unpack_from(self._received))
        return end if len(self._received) >= end else None

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()
