"""From what a user gives as ``live`` to the target that shows it."""

from __future__ import annotations

import io
import logging
import sys
from typing import Any

from ..output.foreign import error_handler_of, fileno_of
from ..output.writing import DescriptorWriter, plain_stream
from .callback import LoggerTarget, StreamTarget
from .iopub import IOPubScreen, has_kernel
from .progress_view import ProgressView
from .stream_view import StreamView
from .tail_view import TailView
from .target import MakeTarget, Screen, Target, TargetContext
from .terminal import TerminalScreen, TerminalStream

ACCEPTED = '"iopub", "terminal", "auto", a logging.Logger or a writable stream'


def make_target(live: Any) -> MakeTarget:
    """Return what makes the target for ``live``. Raises `ValueError` if it is none."""
    if isinstance(live, str):
        return _by_name(live)
    if isinstance(live, logging.Logger):
        return lambda context: LoggerTarget(live)
    if callable(getattr(live, "write", None)):
        return lambda context: StreamTarget(_past_capture(live, context))
    raise ValueError(f"live must be {ACCEPTED}, not {live!r}")


def _past_capture(stream: Any, context: TargetContext) -> Any:
    """Return what leads where a file object led before the capture, if that captures it."""
    if not isinstance(stream, io.TextIOWrapper | io.BufferedIOBase | io.RawIOBase):
        return stream
    fd = fileno_of(stream)
    base = None if fd is None else context.dup_original(fd)
    if base is None:
        return stream
    if not isinstance(stream, io.TextIOWrapper):
        return DescriptorWriter(base, f"<live of {fd}>", owned=True)
    return plain_stream(base, f"live of {fd}", stream.encoding, error_handler_of(stream))


def _by_name(name: str) -> MakeTarget:
    shell = _kernel_shell()
    if name == "iopub" or (name == "auto" and shell is not None):
        if shell is None:
            raise ValueError('live="iopub" needs a Jupyter kernel; there is none here')
        return lambda context: StreamView(
            IOPubScreen(shell),
            context.max_bytes,
            context.max_lines,
            context.tail_lines,
            context.name,
        )
    if name in ("terminal", "auto"):
        return lambda context: TerminalStream(context.dup_original(1), context.dup_original(2))
    raise ValueError(f"live must be {ACCEPTED}, not {name!r}")


def make_tail(context: TargetContext, keeps_failures: bool = True) -> Target:
    """Return a view of the last lines, where the user looks."""
    return TailView(_screen(context, wraps=True), context.tail_lines, context.name, keeps_failures)


def make_progress(context: TargetContext, keeps_failures: bool = True) -> Target:
    """Return a view of one line of progress, where the user looks."""
    return ProgressView(
        _screen(context, wraps=False), context.tail_lines, context.name, keeps_failures
    )


def _screen(context: TargetContext, wraps: bool) -> Screen:
    shell = _kernel_shell()
    if shell is not None:
        return IOPubScreen(shell, wraps)
    fd = context.dup_original(1)
    if fd is None:
        raise OSError("standard output is closed: there is nowhere to show it")
    return TerminalScreen(fd)


def _kernel_shell() -> Any:
    """Return the shell of the kernel that we run in, if it is one."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if has_kernel(shell) else None
