"""What happens in an engine of ipyparallel: its output is captured, its control channel answers.

The control channel has a thread of its own, so an engine answers while it computes; only code that
holds the GIL keeps it from that. What such code prints is drained by the helper all the same.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any

from ..output.late import open_late_output
from .protocol import Answer
from .service import service

#: The messages on the control channel.
REQUEST, REPLY = "ipyfdcapture_request", "ipyfdcapture_reply"
#: In an answer as JSON, bytes are the number of a buffer beside it.
BUFFER = "_buffer"
_TASKS = ("apply_request", "execute_request")


def install(session: str, options: dict[str, Any]) -> None:
    """Capture this engine's output for one more log. Raises `CaptureError`."""
    from IPython import get_ipython

    kernel = get_ipython().kernel
    if REQUEST not in kernel.control_handlers:
        kernel.control_handlers[REQUEST] = _handler_of(kernel)
        for name in _TASKS:
            kernel.shell_handlers[name] = _noting_parts(kernel.shell_handlers[name])
        _keep_own_messages_out(kernel.log)
    loop = getattr(getattr(kernel, "control_thread", None), "io_loop", None)
    run_where_heard = None if loop is None else loop.add_callback
    service.begin(session, f"engine {kernel.engine_id}", options, run_where_heard)


def _keep_own_messages_out(log: Any) -> None:
    """Have the engine's own messages, one for each task, go on to where they go now."""
    logger = log
    while logger is not None:
        for handler in getattr(logger, "handlers", ()):
            if type(handler) is logging.StreamHandler:
                fd = open_late_output(2)
                if fd is not None:
                    handler.setStream(open(fd, "w", buffering=1, errors="backslashreplace"))  # noqa: SIM115
        logger = getattr(logger, "parent", None) if logger.propagate else None


def _handler_of(kernel: Any) -> Callable[..., None]:
    def handle(stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        content, buffers = packed(service.answer(parent["content"]))
        kernel.session.send(stream, REPLY, content, parent=parent, ident=ident, buffers=buffers)

    return handle


def _noting_parts(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap what runs a task: an engine runs one at a time, so its output is found by its number."""

    async def run(stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        key = parent["header"]["msg_id"]
        is_noted = service.is_wanted
        if is_noted:
            service.begin_part(key)
        try:
            done = handler(stream, ident, parent)
            if inspect.isawaitable(done):
                await done
        finally:
            if is_noted:
                service.end_part(key)

    return run


def packed(answer: Answer) -> tuple[dict[str, Any], list[bytes]]:
    """Return an answer as JSON can have it, and its bytes beside it."""
    buffers: list[bytes] = []
    content: dict[str, Any] = {}
    for name, value in answer.items():
        content[name] = value
        if isinstance(value, bytes):
            content[name] = {BUFFER: len(buffers)}
            buffers.append(value)
    return content, buffers


def unpacked(content: dict[str, Any], buffers: list[Any]) -> Answer:
    """Return what `packed` was given."""
    return {
        name: bytes(buffers[value[BUFFER]])
        if isinstance(value, dict) and value.keys() == {BUFFER}
        else value
        for name, value in content.items()
    }
