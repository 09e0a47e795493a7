"""The notebook: messages over the kernel's IOPub, under the cell that the capture belongs to."""

from __future__ import annotations

import uuid
from typing import Any


class IOPubScreen:
    """Shows under one cell, whichever cell runs at the time.

    Messages go straight to the kernel's IOPub socket, with the cell as their parent. Nothing
    passes through ``sys.stdout``, so a live capture cannot capture itself.
    """

    def __init__(self, shell: Any) -> None:
        self._kernel = shell.kernel
        self._parent = shell.get_parent()
        self._display_id = ""

    def write(self, stderr: bool, text: str) -> None:
        """Append a piece of stream output."""
        name = "stderr" if stderr else "stdout"
        self._send("stream", {"name": name, "text": text}, f"stream.{name}".encode())

    def draw(self, lines: list[str], final: bool) -> None:
        """Display the lines, in the place of those that were displayed before."""
        update = bool(self._display_id)
        self._display_id = self._display_id or uuid.uuid4().hex
        kind = "update_display_data" if update else "display_data"
        content = {
            "data": {"text/plain": "\n".join(lines)},
            "metadata": {},
            "transient": {"display_id": self._display_id},
        }
        self._send(kind, content, f"display_data.{self._display_id}".encode())

    def cleared(self) -> None:
        """The next lines are displayed anew."""
        self._display_id = ""

    def close(self) -> None:
        """The socket is the kernel's."""

    def _send(self, kind: str, content: dict[str, Any], topic: bytes) -> None:
        kernel = self._kernel
        kernel.session.send(
            kernel.iopub_socket, kind, content=content, parent=self._parent, ident=topic
        )


def has_kernel(shell: Any) -> bool:
    """Tell whether a shell belongs to a kernel."""
    return getattr(shell, "kernel", None) is not None
