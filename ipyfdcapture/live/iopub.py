"""Showing under a cell of a notebook, by messages on the kernel's IOPub channel."""

from __future__ import annotations

import copy
import html
import uuid
from typing import Any

from ..log.view.ansi import plain

#: A line that is too long for the window ends there; it takes no second row. The rest makes it look
#: as plain text does in JupyterLab, which shows HTML in another size and further to the left.
_ONE_ROW_A_LINE = (
    "margin:0;padding:0 var(--jp-code-padding,0);overflow:hidden;text-overflow:ellipsis;"
    "white-space:pre;font-family:var(--jp-code-font-family,monospace);"
    "font-size:var(--jp-code-font-size,inherit);line-height:var(--jp-code-line-height,inherit)"
)


class IOPubScreen:
    """Shows text under one cell, even while other cells run.

    It sends messages to the kernel's IOPub socket with that cell as their parent, and never writes
    to ``sys.stdout``: a live capture must not capture itself.

    Some front ends (papermill's log, ipyparallel) ignore updates of a display. So the final lines
    are sent as a new display, and the one that was updated until then is emptied.

    Parameters
    ----------
    shell
        The shell of the kernel.
    wraps
        Whether a line that is too long for the window goes on in the next row.
    """

    def __init__(self, shell: Any, wraps: bool = True) -> None:
        self._wraps = wraps
        self._is_final = False
        self._kernel = shell.kernel
        self._parent = shell.get_parent()
        self._display_id = ""

    def write(self, stderr: bool, text: str) -> None:
        """Send stream output."""
        name = "stderr" if stderr else "stdout"
        self._send("stream", {"name": name, "text": text}, f"stream.{name}".encode())

    def beside(self) -> IOPubScreen:
        """Return one for other lines under the same cell."""
        other = copy.copy(self)
        other._is_final, other._display_id = False, ""
        return other

    def draw(self, lines: list[str], final: bool) -> None:
        """Display the lines in place of the previous ones."""
        text = "\n".join(lines)
        data = {"text/plain": text}
        if not self._wraps:
            rows = html.escape("\n".join(map(plain, lines)))
            data["text/html"] = f'<pre style="{_ONE_ROW_A_LINE}">{rows}</pre>'
        if final and not self._is_final and self._display_id:
            self._display({})
            self._display_id = ""
        self._is_final = self._is_final or final
        self._display(data)

    def _display(self, data: dict[str, str]) -> None:
        update = bool(self._display_id)
        self._display_id = self._display_id or uuid.uuid4().hex
        kind = "update_display_data" if update else "display_data"
        content = {
            "data": data,
            "metadata": {},
            "transient": {"display_id": self._display_id},
        }
        self._send(kind, content, f"display_data.{self._display_id}".encode())

    def give_way(self) -> None:
        """Nothing to do: a display can be updated after others have followed."""

    def cleared(self) -> None:
        """Start a new display with the next lines."""
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
