"""What a user holds of a capture: `Capture`, and `FdCapture` for any one descriptor."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from ..checks import check_descriptor, check_encoding, check_flags, check_function, check_seconds
from ..system.finalizers import Finalizer
from ..system.interrupts import deferred_interrupts
from .options import CaptureOptions
from .session import CaptureSession

if TYPE_CHECKING:
    from ..live.targets import LiveTarget
    from ..log.captured import Captured
    from ..log.line import Line

#: How long (s) `FdCapture.stop` waits for the callback.
_STOP_S = 2.0


class _Handle:
    """A user's hold on a session: one that nobody holds any more is stopped.

    An interrupt that comes just as a ``with`` block is left, before Python has called anything of
    ours, leaves no descriptor behind.
    """

    #: The session that runs or has run. Nothing in it refers to this object.
    _session: CaptureSession | None = None
    _finalizer: Finalizer | None = None

    @property
    def captured(self) -> Captured:
        """What was captured so far, since the last start. Raises `RuntimeError` before it."""
        if self._session is None:
            raise RuntimeError("the capture has not started")
        return self._session.captured

    def _start(self, session: CaptureSession, limit: float | None = None) -> Captured:
        """Start a session, which is stopped, within ``limit`` seconds, once this is forgotten."""
        try:
            if not session.has_started:
                self._finalizer = Finalizer(self, session.stop_as_forgotten, limit, at_exit=False)
            captured = session.start()
            self._session = session
            return captured
        finally:
            self._release_if_over(session)

    def _stop(self, session: CaptureSession, failed: bool, limit: float | None = None) -> Captured:
        """Stop a session; wait at most ``limit`` seconds for its live targets."""
        try:
            return session.stop(failed, limit)
        finally:
            self._release_if_over(session)

    def _release_if_over(self, session: CaptureSession) -> None:
        """Unless there is something to put back, do not keep what the user gave."""
        if self._finalizer is not None and not session.is_active:
            self._finalizer.detach()
            self._finalizer = None

    def pause(self) -> None:
        """Let output through to where it went before, until `resume`."""
        if self._session is not None:
            self._session.pause()

    def resume(self) -> None:
        """Continue capturing after `pause`."""
        if self._session is not None:
            self._session.resume()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let output through to where it went before, for the length of a ``with`` block.

        Examples
        --------
        >>> from ipyfdcapture import capture_fd
        >>> capture = capture_fd()
        >>> with capture as logs:
        ...     print("captured")
        ...     with capture.paused():
        ...         print("let through")
        let through
        >>> logs.text
        'captured\\n'
        """
        self.pause()
        try:
            yield
        finally:
            self.resume()


class Capture(_Handle):
    """One capture, from `start` to `stop`; made by `capture_fd`.

    Both may be called more than once and from any thread; a capture runs once. If nobody holds
    it any more, it stops.
    """

    _session: CaptureSession

    def __init__(self, session: CaptureSession) -> None:
        self._session = session

    def start(self) -> Captured:
        """Begin.

        Returns
        -------
        Captured
            What is captured; it grows while the capture runs.

        Raises
        ------
        CaptureError
            If the system does not allow it. Everything is as it was.
        """
        return self._start(self._session)

    def stop(self) -> Captured:
        """End: put everything back, and have everything recorded that was written so far.

        Does not wait for children that live on; what they write later arrives later.

        Returns
        -------
        Captured
            What was captured.

        Raises
        ------
        RuntimeError
            If the capture has not started.
        """
        return self._stop(self._session, failed=False)

    def __enter__(self) -> Captured:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop(self._session, failed=error is not None)


class FdCapture(_Handle):
    """Captures any one descriptor, from `start` to `stop`; also a context manager.

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
        At once, with nothing moved, for a descriptor that is not open, or an encoding that is not
        known or in which a line does not end with byte 10 alone.

    Examples
    --------
    >>> import os
    >>> lines = []
    >>> with FdCapture(2, callback=lines.append) as capture:
    ...     _ = os.write(2, b"from native code\\n")
    >>> lines, capture.captured.text
    (['from native code'], 'from native code\\n')
    """

    def __init__(
        self,
        fd: int,
        callback: Callable[[Line], object] | None = None,
        encoding: str = "utf-8",
        errors: str = "replace",
        *,
        python: bool = False,
    ) -> None:
        if not isinstance(fd, int) or isinstance(fd, bool) or fd < 0:
            raise ValueError(f"fd must be an open file descriptor, not {fd!r}")
        check_descriptor(fd)
        check_function("callback", callback)
        check_encoding(encoding, errors)
        check_flags(python=python)
        self.fd = fd
        live: tuple[LiveTarget, ...] = ()
        if callback is not None:
            with deferred_interrupts():  # half a module would be loaded once more
                from ..live import targets
                from ..live.callback import LineTarget

            live = (targets.LiveTarget("callback", lambda context: LineTarget(callback)),)
        self._options = CaptureOptions(
            descriptors=(fd,),
            python=python,
            encoding=encoding,
            errors=errors,
            live=live,
            live_after_end=False,
            keep_originals=True,
        )
        self._lock = threading.RLock()

    @property
    def real_fd(self) -> int | None:
        """A duplicate of what the descriptor was, while the capture is active; else None."""
        return None if self._session is None else self._session.originals.get(self.fd)

    def start(self) -> FdCapture:
        """Begin; no effect while active.

        Raises
        ------
        CaptureError
            If the system does not allow it. Everything is as it was.
        """
        with self._lock:
            if self._session is None or not self._session.is_active:
                with deferred_interrupts():  # one that runs is always known
                    self._start(CaptureSession(self._options), _STOP_S)
        return self

    def stop(self, timeout: float = _STOP_S) -> None:
        """End: put the descriptor back. No effect if not active.

        Waits at most ``timeout`` seconds for the callback to have been given every line; it is
        not called any more after this returns. What it was not given by then, because it is slow
        or a helper does not answer, is in the log, and a warning says so.
        """
        check_seconds("timeout", timeout, zero=True)
        timeout = min(timeout, threading.TIMEOUT_MAX)
        with deferred_interrupts(), self._lock:
            if self._session is not None and self._session.is_active:
                self._stop(self._session, failed=False, limit=timeout)

    def pause(self) -> None:
        """Let output through to where it went before, until `resume`."""
        with self._lock:
            super().pause()

    def resume(self) -> None:
        """Continue capturing after `pause`."""
        with self._lock:
            super().resume()

    def __enter__(self) -> FdCapture:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
