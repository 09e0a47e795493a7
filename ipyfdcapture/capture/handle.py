"""One descriptor, under a program's own control; and native output through `logging`."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from types import TracebackType

from ..checks import check_descriptor, check_encoding, check_flags, check_function, check_seconds
from ..errors import CaptureError, reason
from ..live.callback import LineTarget, LoggerTarget
from ..live.follower import Follower
from ..log.captured import Captured
from ..log.line import Line
from ..system.finalizers import Finalizer
from ..system.interrupts import deferred_interrupts
from .session import Capture, Run, capture_fd

#: How long to wait for the callback at the stop.
_STOP_S = 2.0


class FdCapture:
    """Captures any one descriptor, from `start` to `stop`; also a context manager.

    ::

        with FdCapture(2, callback=print) as capture:
            native_library.run()
        capture.captured.text

    Both methods are safe from any thread and may be called more than once; after `stop`, `start`
    begins a new log.

    Parameters
    ----------
    fd
        An open descriptor.
    callback
        Called in a thread with each complete `Line` (a `str` without its newline) and, at the
        stop, with the last unfinished one. An exception in it is reported and ends nothing. What
        it prints is not captured.
    encoding, errors
        How bytes are read as text.
    python
        For 1 and 2: whether ``sys.stdout`` and ``sys.stderr`` are captured too. If not, they go
        on to where the descriptor led before.

    Raises
    ------
    ValueError
        At once, with nothing moved, for a descriptor that is not open or an encoding that is not
        known.
    """

    def __init__(
        self,
        fd: int,
        callback: Callable[[Line], object] | None = None,
        *,
        encoding: str = "utf-8",
        errors: str = "replace",
        python: bool = False,
    ) -> None:
        if not isinstance(fd, int) or isinstance(fd, bool) or fd < 0:
            raise ValueError(f"fd must be an open file descriptor, not {fd!r}")
        check_descriptor(fd)
        check_function("callback", callback)
        check_encoding(encoding, errors)
        check_flags(python=python)
        self.fd = fd
        #: A duplicate of what the descriptor was, while the capture is active; None otherwise.
        self.real_fd: int | None = None
        self._callback = callback
        self._encoding = encoding
        self._errors = errors
        self._python = python
        self._lock = threading.RLock()
        self._capture: Run | None = None
        self._follower: Follower | None = None
        self._finalizer: Finalizer | None = None
        self._captured: Captured | None = None

    @property
    def captured(self) -> Captured:
        """What was captured since the last start. Raises `RuntimeError` before the first."""
        if self._captured is None:
            raise RuntimeError("the capture has not started")
        return self._captured

    def start(self) -> FdCapture:
        """Begin; no effect while active. Raises `CaptureError` if the system does not allow it."""
        with self._lock:
            if self._capture is not None:
                return self
            try:
                with deferred_interrupts():
                    try:
                        self._start()
                    except OSError as error:
                        raise CaptureError(f"cannot capture: {reason(error)}") from error
            except BaseException:
                self.stop()
                raise
        return self

    def _start(self) -> None:
        capture = Run(
            [self.fd],
            python=self._python,
            display=False,
            merge=False,
            encoding=self._encoding,
            errors=self._errors,
            max_bytes=None,
            drain="auto",
            spool_dir="",
            facts={},
        )
        self._captured = capture.start()
        self._capture = capture
        self.real_fd = capture.dup_below(self.fd)
        if self._callback is not None:
            self._follower = capture.follow("callback", LineTarget(self._callback))
        # If nobody holds this any more: an interrupt came just as it began.
        self._finalizer = Finalizer(
            self, _end_as_forgotten, capture, self._follower, self.real_fd, at_exit=False
        )

    def stop(self, timeout: float = _STOP_S) -> None:
        """End: put the descriptor back. No effect if not active.

        Waits at most ``timeout`` seconds for the callback to have been given every line; it is
        not called any more after this returns.
        """
        check_seconds("timeout", timeout, zero=True)
        timeout = min(timeout, threading.TIMEOUT_MAX)
        with deferred_interrupts(), self._lock:
            capture, self._capture = self._capture, None
            follower, self._follower = self._follower, None
            finalizer, self._finalizer = self._finalizer, None
            if finalizer is not None:
                finalizer.detach()
            if capture is not None:
                try:
                    _end(capture, follower, timeout)
                finally:
                    self._close_real_fd()

    def pause(self) -> None:
        """Let output through to where it went before, until `resume`."""
        with self._lock:
            if self._capture is not None:
                self._capture.pause()

    def resume(self) -> None:
        """Go on capturing after `pause`."""
        with self._lock:
            if self._capture is not None:
                self._capture.resume()

    def _close_real_fd(self) -> None:
        real_fd, self.real_fd = self.real_fd, None
        if real_fd is not None:
            os.close(real_fd)

    def __enter__(self) -> FdCapture:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _end(capture: Run, follower: Follower | None, timeout: float) -> None:
    try:
        capture.stop(patience=timeout, limit=timeout)
    finally:
        if follower is not None:
            follower.abandon()


def _end_as_forgotten(capture: Run, follower: Follower | None, real_fd: int | None) -> None:
    try:
        _end(capture, follower, _STOP_S)
    finally:
        if real_fd is not None:
            os.close(real_fd)


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
    capture = capture_fd(stdout=stdout, stderr=stderr, python=python, max_bytes=max_bytes)
    capture.run.show_on("logging", lambda place: LoggerTarget(logger, levels=levels))
    capture.start()
    return capture
