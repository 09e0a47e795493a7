"""The notebook: messages over the kernel's IOPub, under the cell that the capture belongs to."""

from __future__ import annotations

import copy
import html
import uuid
from typing import Any

#: A line that is too long for the window ends there; it takes no second row. The rest makes it look
#: as plain text does in JupyterLab, which shows HTML in another size and further to the left.
_ONE_ROW_A_LINE = (
    "margin:0;padding:0 var(--jp-code-padding,0);overflow:hidden;text-overflow:ellipsis;"
    "white-space:pre;font-family:var(--jp-code-font-family,monospace);"
    "font-size:var(--jp-code-font-size,inherit);line-height:var(--jp-code-line-height,inherit)"
)


class IOPubScreen:
    """Shows under one cell, whichever cell runs at the time.

    Messages go straight to the kernel's IOPub socket, with the cell as their parent. Nothing
    passes through ``sys.stdout``, so a live capture cannot capture itself.

    Some front ends (papermill's log, ipyparallel) show a display as it first was. So the final
    lines are a new display, and the one that was updated until then becomes empty.

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
        """Append a piece of stream output."""
        name = "stderr" if stderr else "stdout"
        self._send("stream", {"name": name, "text": text}, f"stream.{name}".encode())

    def beside(self) -> IOPubScreen:
        """Return one for other lines under the same cell."""
        other = copy.copy(self)
        other._is_final, other._display_id = False, ""
        return other

    def draw(self, lines: list[str], final: bool) -> None:
        """Display the lines, in the place of those that were displayed before."""
        text = "\n".join(lines)
        data = {"text/plain": text}
        if not self._wraps:
            data["text/html"] = f'<pre style="{_ONE_ROW_A_LINE}">{html.escape(text)}</pre>'
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
        """What is shown beside it stands below: this can be drawn over all the same."""

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
