"""Reading requests, and the descriptors that come with them, from the control socket."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator

from ..system.pipes import out_of_the_way
from .protocol import Request

#: Descriptors in one message at most (SCM_MAX_FD of Linux).
_MOST_FDS = 253

_INT = struct.Struct("i")

#: On macOS there is none: a child that starts meanwhile may get them.
_RECEIVE_CLOSED_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Requests:
    """The requests that come over ``control``."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._buffer = b""
        self._fds: list[int] = []
        #: Whether the other end has closed.
        self.closed = False

    def read(self) -> Iterator[tuple[Request, list[int]]]:
        """Yield each request that is there, with its descriptors, which the caller then owns.

        Fewer descriptors than ``request["fds"]`` come if this process can have no more.
        """
        self._receive()
        while b"\n" in self._buffer:
            line, self._buffer = self._buffer.split(b"\n", 1)
            request: Request = json.loads(line)
            if "own" in request:
                yield request, request["own"]
                continue
            count = request["fds"]
            taken, self._fds = self._fds[:count], self._fds[count:]
            yield request, taken

    def close(self) -> None:
        """Close the descriptors of a request that its sender's death cut off.

        Of nested captures, they hold open the pipe of the next outer one: whoever reads that would
        wait for ever.
        """
        while self._fds:
            os.close(self._fds.pop())

    def _receive(self) -> None:
        # Not socket.recv_fds: it ignores its flags.
        space = socket.CMSG_LEN(_MOST_FDS * _INT.size)
        data, messages, _, _ = self._control.recvmsg(1 << 16, space, _RECEIVE_CLOSED_ON_EXEC)
        fds = [
            fd
            for level, kind, content in messages
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            for (fd,) in _INT.iter_unpack(content[: len(content) - len(content) % _INT.size])
        ]
        self._buffer += data
        self._fds += [out_of_the_way(fd) for fd in fds]
        if not _RECEIVE_CLOSED_ON_EXEC:
            for fd in self._fds:
                os.set_inheritable(fd, False)
        if not data:
            self.closed = True
