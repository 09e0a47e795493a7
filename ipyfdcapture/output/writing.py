"""Write to a descriptor completely, and plain text streams that do."""

from __future__ import annotations

import contextlib
import io
import os
from typing import Any, cast

from ..system.descriptors import write_once
from ..system.polling import wait_until_writable


def write_completely(fd: int, data: Any) -> None:
    """Write everything, however many writes it takes."""
    written = 0
    while written < len(data):
        try:
            written += write_once(fd, memoryview(data)[written:])
        except BlockingIOError:  # a child or asyncio made it so, and nobody would try again
            wait_until_writable(fd)


class DescriptorWriter(io.RawIOBase):
    """The binary side of a stream: unbuffered, so that the order of writes is the order of
    bytes, and complete, because nobody above would write the rest."""

    mode = "wb"

    def __init__(self, fd: int, name: str, owned: bool) -> None:
        self._fd = fd
        self._owned = owned
        self.name = name

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def write(self, data: Any, /) -> int:
        write_completely(self._fd, data)
        return len(data)

    def lead_to(self, fd: int) -> None:
        """Write to ``fd``, which is somebody else's, from now on."""
        old, self._fd = self._fd, fd
        if self._owned:
            self._owned = False
            os.close(old)

    def close(self) -> None:
        if self._owned and not self.closed:
            with contextlib.suppress(OSError):
                os.close(self._fd)
        super().close()


def plain_stream(fd: int, name: str, encoding: str, errors: str) -> io.TextIOWrapper:
    """Return a text stream on ``fd``, which it takes over, that knows nothing of captures."""
    return io.TextIOWrapper(
        cast(Any, DescriptorWriter(fd, f"<{name}>", owned=True)),
        encoding=encoding,
        errors=errors,
        newline="\n",
        line_buffering=True,
    )
