"""Reading requests, and the descriptors that come with them, from a stream socket."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator
from typing import Any

from ..system.pipes import out_of_the_way

#: Descriptors in one message at most (SCM_MAX_FD of Linux).
_MOST_FDS = 253


_INT = struct.Struct("i")


_RECEIVE_CLOSED_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Requests:
    """Reads JSON lines and the descriptors that came with them from a stream socket."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._buffer = b""
        self._fds: list[int] = []
        self.closed = False

    def read(self) -> Iterator[tuple[dict[str, Any], list[int]]]:
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
        while b"\n" in self._buffer:
            line, self._buffer = self._buffer.split(b"\n", 1)
            request = json.loads(line)
            count = request.get("fds", 0)
            taken, self._fds = self._fds[:count], self._fds[count:]
            yield request, taken
