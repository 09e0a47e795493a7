"""A TCP connection that can be cut: what goes to one port is passed on to another."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

#: A connection that is closed with this is reset, as one is whose other end is gone.
_RESET = struct.pack("ii", 1, 0)


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


class Proxy:
    """Passes on all connections to a port of this machine, until it is `cut`.

    Use it as a context manager.

    Attributes
    ----------
    port
        Where it listens.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._is_cut = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._server.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._thread.join()
        self._server.close()

    def cut(self) -> None:
        """Reset all connections, and each that is made from now on."""
        with self._lock:
            self._is_cut = True
            while self._pairs:
                _reset(*self._pairs.pop())

    def mend(self) -> None:
        """Pass connections on again."""
        with self._lock:
            self._is_cut = False

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # until it is shut down
            while True:
                self._begin(self._server.accept()[0])

    def _begin(self, near: socket.socket) -> None:
        with self._lock:
            far = None
            if not self._is_cut:
                with contextlib.suppress(OSError):
                    far = socket.create_connection(("127.0.0.1", self._target))
            if far is None:
                _reset(near)
                return
            self._pairs.append((near, far))
        for pair in ((near, far), (far, near)):
            threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(1 << 16):
                target.sendall(part)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def _reset(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            each.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in it
        each.close()
