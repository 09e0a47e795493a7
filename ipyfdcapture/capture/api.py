"""The public functions that make a capture."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..checks import check_flags, check_max_bytes
from ..output.own_streams import Streams, in_context, own_streams
from ..output.proxy import NAMES
from ..output.thread_streams import hold_installation, release_installation
from ..system.interrupts import deferred_interrupts
from .handle import Capture
from .options import CaptureOptions, descriptors_of, live_targets
from .session import CaptureSession

if TYPE_CHECKING:
    from ..log.captured import Captured
    from ..log.line import Line


def capture_fd(
    *,
    stdout: bool = True,
    stderr: bool = True,
    fds: Iterable[int] = (),
    python: bool = True,
    display: bool = False,
    merge: bool = False,
    tty: bool = False,
    tty_size: tuple[int, int] | None = None,
    encoding: str = "utf-8",
    errors: str = "replace",
    live: Any = None,
    on_line: Callable[[Line], object] | None = None,
    file: str | os.PathLike[str] | None = None,
    live_interval: float = 0.1,
    live_max_bytes: int = 1_000_000,
    live_max_lines: int = 1000,
    max_bytes: int | None = None,
    drain: str = "auto",
    spool_dir: str = "",
    facts: dict[str, Any] | None = None,
) -> Capture:
    """Capture what this process and its children write to descriptors 1 and 2.

    Use it as a context manager; it gives a `Captured`, which may be read at once and for as long
    as it is kept::

        with capture_fd() as logs:
            solver.run()
        print(logs.stdout)

    Parameters
    ----------
    stdout, stderr
        Whether to capture descriptor 1, descriptor 2.
    fds
        Further descriptors to capture (above 2, open).
    python
        Whether ``sys.stdout`` and ``sys.stderr`` are captured too. If not, they go on to where
        they wrote before, and native output alone is captured.
    display
        Whether to capture IPython's rich displays (``Captured.outputs``).
    merge
        One pipe for both streams: the exact order, but no telling apart.
    tty
        Whether descriptors 1 and 2 are terminals in place of pipes, so that programs write as they
        do for people: in colours, line by line, with bars of progress. It costs speed; see the
        page "A terminal".
    tty_size
        Columns and rows of these terminals. None: as many as the terminal has that the descriptors
        led to before, or 80 and 24.
    encoding, errors
        How Python writes text during the capture, and how `Captured` reads it. A line must end
        with byte 10 alone: UTF-16, UTF-32 and EBCDIC are refused.
    live
        Where to show the output as it comes: ``"iopub"`` (under the notebook cell),
        ``"terminal"`` (where the descriptors led before), ``"auto"`` (the one or the other), a
        writable text or binary stream, or a `logging.Logger` (a record for each line: INFO from
        stdout, WARNING from stderr; ``(logger, "DEBUG")`` sets another level). A dict has one of
        these for each stream: ``{"stdout": sys.stdout, "stderr": logger}``; a stream that it does
        not name, or that has None, is not shown.
    on_line
        Called with each `Line`, in a thread. An exception in it is reported, and ends nothing.
    file
        A path to append the bytes to as they come.
    live_interval
        How often (s) what is new is shown.
    live_max_bytes
        How much is shown live in a notebook; the rest is counted, and the end is shown.
    live_max_lines
        And how many lines.
    max_bytes
        Keep at most that many bytes, the first half and the last. None: keep all.
    drain
        Where the pipes are emptied: ``"process"`` (a helper, which native code that holds the
        GIL cannot stop), ``"thread"``, or ``"auto"``: the helper where one can be started.
    spool_dir
        The directory in which recordings are kept while they are in use; ``~`` and ``$HOME`` are
        expanded. Empty: the system's temporary directory.
    facts
        What else to keep with the log (plain data), as ``Captured.facts``.

    Raises
    ------
    ValueError
        If an argument is not of the accepted kind. Nothing has changed then.
    CaptureError
        On entering, if the system does not allow it. Nothing has changed then.
    """
    options = CaptureOptions(
        descriptors=descriptors_of(stdout, stderr, fds),
        python=python,
        display=display,
        merge=merge,
        tty=tty,
        tty_size=tty_size,
        encoding=encoding,
        errors=errors,
        live=live_targets(live, on_line, file),
        live_interval=live_interval,
        live_max_bytes=live_max_bytes,
        live_max_lines=live_max_lines,
        max_bytes=max_bytes,
        drain=drain,
        spool_dir=spool_dir,
        facts=facts or {},
    )
    return Capture(CaptureSession(options))


def forward_to_logging(
    logger: logging.Logger,
    *,
    levels: bool = True,
    stdout: bool = True,
    stderr: bool = True,
    python: bool = False,
    max_bytes: int | None = 1 << 20,
) -> Capture:
    """Send what native code and children of this process write to a logger, until stopped.

    ::

        forwarding = forward_to_logging(logging.getLogger("native"))
        ...
        forwarding.stop()

    Each line is one record with ``extra={"source": "stdout" | "stderr"}``. What the logger's
    handlers print through Python is not captured again. Also a context manager, once: use either
    ``with`` or `Capture.stop`. Keep what is returned: it ends once nobody holds it.

    Parameters
    ----------
    logger
        Where the lines go.
    levels
        Whether a line in one of the formats of `ipyfdcapture.log.levels` has the level that it
        says. All others, and without ``levels`` all, are INFO from stdout and WARNING from stderr.
    stdout, stderr
        Which descriptors.
    python
        Whether ``sys.stdout`` and ``sys.stderr`` are forwarded too.
    max_bytes
        How much of the log is kept beside (`Capture.captured`), the first half and the last.
        None: all.
    """
    if not isinstance(logger, logging.Logger):
        raise ValueError(f"logger must be a logging.Logger, not {logger!r}")
    check_flags(levels=levels)
    with deferred_interrupts():  # half a module would be loaded once more
        from ..live.callback import LoggerTarget
        from ..live.targets import LiveTarget

    options = CaptureOptions(
        descriptors=descriptors_of(stdout, stderr),
        python=python,
        live=(LiveTarget("logging", lambda context: LoggerTarget(logger, levels=levels)),),
        max_bytes=max_bytes,
    )
    capture = Capture(CaptureSession(options))
    capture.start()
    return capture


@contextlib.contextmanager
def capture_thread(
    *,
    stdout: bool = True,
    stderr: bool = True,
    live: Any = None,
    on_line: Callable[[Line], object] | None = None,
    max_bytes: int | None = None,
) -> Iterator[Captured]:
    """Capture what this thread writes through Python, and the tasks and threads that it starts.

    In a coroutine: what this task writes, and none of the others on its loop. Blocks nest, in any
    order of ending; the innermost gets the output. What still runs when the block ends writes,
    from then on, where the block's surroundings write: join or await what should be in. The
    proxies are installed for as long as a block is active.

    Parameters
    ----------
    stdout, stderr
        Whether to capture ``sys.stdout``, ``sys.stderr``. One that is not captured goes on to
        where it went.
    live
        Where to show the output as it comes: as for `capture_fd`. It is shown where the block's
        surroundings write.
    on_line
        Called with each `Line`, in a thread. An exception in it is reported, and ends nothing.
        What it prints goes where the block's surroundings write.
    max_bytes
        Keep at most that many bytes, the first half and the last half; None keeps all.

    Returns
    -------
    Captured
        It grows while the block runs, and is complete at its end.

    Raises
    ------
    ValueError
        An argument is not of the accepted kind. Nothing was changed.
    CaptureError
        The recording cannot be made. Nothing was changed.

    Examples
    --------
    >>> import sys
    >>> from ipyfdcapture import capture_thread
    >>> with capture_thread(stderr=False, on_line=lambda line: print("seen:", line)) as logs:
    ...     print("hello")
    seen: hello
    >>> logs.stdout
    'hello\\n'
    """
    with deferred_interrupts():  # half a module would be loaded once more
        from ..log.captured import Captured
        from .thread_sink import Sink, follow_sink

    check_max_bytes(max_bytes)
    check_flags(stdout=stdout, stderr=stderr)
    captured = [name for name, on in (("stdout", stdout), ("stderr", stderr)) if on]
    if not captured:
        raise ValueError("nothing to capture: stdout and stderr are both off")
    targets = live_targets(live, on_line)
    for target in targets:
        target.check_streams(captured)
    with contextlib.ExitStack() as undo:
        with deferred_interrupts():
            installation = hold_installation()
            undo.callback(release_installation, installation)
            sink = Sink.create(max_bytes)
            shown = undo.enter_context(contextlib.ExitStack())  # once the recording is complete
            undo.callback(sink.release)
            follow_sink(sink, targets, shown)
            streams = Streams(None, None, own_streams())
            for name in captured:
                setattr(streams, name, sink.text_stream(NAMES.index(name), streams))
            undo.callback(streams.end)
            in_context.set(streams)
        yield Captured(sink.recording)
