"""From what a user gives as ``live`` to the target that shows it."""

from __future__ import annotations

import functools
import io
import logging
import os
import sys
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from ..output.foreign import encoding_of, error_handler_of, fileno_of, is_a
from ..output.writing import DescriptorWriter, plain_stream
from .by_stream import ByStream
from .callback import LoggerTarget, StreamTarget
from .iopub import IOPubScreen, has_kernel
from .progress_view import ProgressView
from .stream_view import StreamView
from .tail_view import TailView
from .target import MakeTarget, Screen, Target, TargetContext
from .terminal import TerminalScreen, TerminalStream
from .terminal_view import TerminalView

ACCEPTED = (
    '"iopub", "terminal", "auto", a logging.Logger, a logger and a level, a writable stream, '
    'or a dict of these by stream ("stdout", "stderr")'
)


class LiveTarget(NamedTuple):
    """Somewhere that a capture is shown while it runs."""

    #: What warnings call it.
    name: str
    #: Makes the target when the capture starts.
    make: MakeTarget
    #: The streams that it shows. Empty: all.
    streams: tuple[str, ...] = ()

    def check_streams(self, captured: Collection[str]) -> None:
        """Raise `ValueError` if it is to show a stream that is not captured."""
        for stream in self.streams:
            if stream in captured:
                continue
            if any("+" in name for name in captured):
                raise ValueError("merge=True makes one stream of two: live cannot tell them apart")
            raise ValueError(
                f"live names {stream!r}, which is not captured: {', '.join(captured)} can be named"
            )


def live_targets_of(live: Any) -> list[LiveTarget]:
    """Return the targets for ``live``. Raises `ValueError` if it is none."""
    if not isinstance(live, Mapping):
        return [] if live is None else [LiveTarget("live", make_target(live))]
    shown = {stream: one for stream, one in live.items() if one is not None}
    makers = {stream: (_identity(one), make_target(one)) for stream, one in shown.items()}
    # What the user sees is left out where a later cell shows it; a logger gets everything.
    seen = {stream: each for stream, each in makers.items() if isinstance(live[stream], str)}
    others = {stream: each for stream, each in makers.items() if stream not in seen}
    return [
        LiveTarget("live", functools.partial(_make_by_stream, group), tuple(group))
        for group in (seen, others)
        if group
    ]


def _identity(live: Any) -> object:
    return live if isinstance(live, str) else id(live)


def _make_by_stream(makers: dict[str, tuple[object, MakeTarget]], context: TargetContext) -> Target:
    """Make one target for each destination: two streams may have the same."""
    made: dict[object, Target] = {}
    for identity, make in makers.values():
        if identity not in made:
            made[identity] = make(context)
    return ByStream({stream: made[identity] for stream, (identity, _) in makers.items()})


def make_target(live: Any) -> MakeTarget:
    """Return what makes the target for ``live``. Raises `ValueError` if it is none."""
    if isinstance(live, str):
        return _by_name(live)
    if isinstance(live, logging.Logger):
        return lambda context: LoggerTarget(live)
    if isinstance(live, tuple) and len(live) == 2 and isinstance(live[0], logging.Logger):
        logger, level = live[0], _level_number(live[1])
        return lambda context: LoggerTarget(logger, level=level)
    if callable(getattr(live, "write", None)):
        return lambda context: StreamTarget(_past_capture(live, context))
    raise ValueError(f"live must be {ACCEPTED}, not {live!r}")


def _level_number(level: Any) -> int:
    """Return a level of `logging`, which may be given by its name."""
    number = logging.getLevelName(level.upper()) if isinstance(level, str) else level
    if not isinstance(number, int) or isinstance(number, bool):
        raise ValueError(f'a logger\'s level must be like "INFO" or logging.INFO, not {level!r}')
    return number


def _past_capture(stream: Any, context: TargetContext) -> Any:
    """Return what leads where a file object led before the capture, if that captures it."""
    is_text = is_a(stream, io.TextIOWrapper)
    if not (is_text or is_a(stream, io.BufferedIOBase) or is_a(stream, io.RawIOBase)):
        return stream
    fd = fileno_of(stream)
    base = context.dup_original(fd) if fd in context.captured else None
    if base is None:
        return stream
    if not is_text:
        return DescriptorWriter(base, f"<live of {fd}>", owned=True)
    return plain_stream(base, f"live of {fd}", encoding_of(stream), error_handler_of(stream))


def _by_name(name: str) -> MakeTarget:
    shell = kernel_shell()
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


def make_live(context: TargetContext) -> Target:
    """Return a view of the output as it comes, where the user looks, within the flood limits."""
    if kernel_shell() is not None:
        return make_target("iopub")(context)
    stdout, stderr = context.dup_original(1), context.dup_original(2)
    if all(os.isatty(fd) for fd in (stdout, stderr) if fd is not None):
        return TerminalView(stdout, stderr, context)
    return TerminalStream(stdout, stderr)  # a file takes it all


def make_tail(context: TargetContext, keeps_failures: bool = True) -> Target:
    """Return a view of the last lines, where the user looks."""
    return TailView(_screen(context, wraps=True), context.tail_lines, context.name, keeps_failures)


def make_progress(context: TargetContext, keeps_failures: bool = True) -> Target:
    """Return a view of one line of progress, where the user looks."""
    return ProgressView(
        _screen(context, wraps=False), context.tail_lines, context.name, keeps_failures
    )


def _screen(context: TargetContext, wraps: bool) -> Screen:
    shell = kernel_shell()
    if shell is not None:
        return IOPubScreen(shell, wraps)
    fd = context.dup_original(1)
    if fd is None:
        raise OSError("standard output is closed: there is nowhere to show it")
    return TerminalScreen(fd)


def kernel_shell() -> Any:
    """Return the shell of the kernel that we run in, if it is one."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if has_kernel(shell) else None
