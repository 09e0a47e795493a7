"""Python's own output, told apart by thread and by task.

A server that runs its users' code in threads or `asyncio` tasks has one ``sys.stdout`` for all of
them. Here two proxies take the place of ``sys.stdout`` and ``sys.stderr``; each passes a write on
to the streams of the thread or task that makes it, and to the original if that has none.

Streams are handed down: by a thread to the tasks and threads that it starts and to what it
submits to a `concurrent.futures.ThreadPoolExecutor`. They are shared, not copied: when their
owner ends them, they end for everyone who got them from there.

Only what goes through ``sys.stdout`` and ``sys.stderr`` can be told apart like this. Descriptors
belong to the process: what C code or child programs write carries no thread. To keep that apart,
give each user a process.
"""

from __future__ import annotations

import sys
from typing import TextIO

from ..checks import check_stream
from ..system.forking import fork_safe_lock
from .handing_down import hold_hooks, release_hooks
from .own_streams import end_own_streams, set_own_streams
from .proxy import NAMES, ThreadStreamProxy, process_stream, retire, set_installed


def install_thread_streams() -> None:
    """Put a `ThreadStreamProxy` in the place of ``sys.stdout`` and of ``sys.stderr``.

    Until `uninstall_thread_streams`, `threading.Thread.start` and
    `concurrent.futures.ThreadPoolExecutor.submit` hand a thread's streams down. Nothing changes
    for threads that have none. Idempotent; safe from any thread.
    """
    with _lock:
        _installed().kept = True


def uninstall_thread_streams() -> None:
    """Put back ``sys.stdout``, ``sys.stderr`` and the hooks as `install_thread_streams` found them.

    Whatever is in ``sys.stdout`` by now gives way, also what somebody else put there after the
    installation. A proxy that is still held somewhere (by a logging handler, or by a
    `contextlib.redirect_stdout` that will put it back) hands everything on to the original.
    An active `capture_thread` gets nothing more. Idempotent; safe from any thread.
    """
    with _lock:
        if _installation is not None:
            _remove(force=True)


def set_thread_streams(stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
    """Have what the current thread writes through Python go to these streams.

    They hold for the `asyncio` tasks and threads that it starts from now on, too, until
    `clear_thread_streams`, or a call that sets another. A thread that ends without clearing leaves
    nothing behind.

    Parameters
    ----------
    stdout, stderr
        Text streams; the caller keeps and closes them. None (or a proxy) leaves that name as it
        was, also what an earlier call has set.

    Raises
    ------
    ValueError
        One of them is no stream. Nothing was changed.
    """
    check_stream("stdout", stdout)
    check_stream("stderr", stderr)
    set_own_streams(_not_proxy(stdout), _not_proxy(stderr))


def clear_thread_streams() -> None:
    """Undo `set_thread_streams` in this thread, and in all that got the streams from it.

    They then write where they would have written without: to the streams of whoever started
    them, if there are any, or to the original. Harmless if nothing is set. In a thread that only
    got its streams handed down, they stay.
    """
    end_own_streams()


def _not_proxy(stream: TextIO | None) -> TextIO | None:
    return None if isinstance(stream, ThreadStreamProxy) else stream


class Installation:
    """The proxies in ``sys`` and the hooks in `threading`, and the way back."""

    def __init__(self) -> None:
        self.kept = False  # by install_thread_streams()
        self.captures = 0
        hold_hooks()
        self._proxies = [ThreadStreamProxy(name, process_stream(name)) for name in NAMES]
        for proxy in self._proxies:
            setattr(sys, proxy._proxied_name, proxy)

    def remove(self, force: bool) -> None:
        """Take the proxies out; with ``force``, whatever is in their place too."""
        release_hooks()
        for proxy in self._proxies:
            name = proxy._proxied_name
            if force or getattr(sys, name, None) is proxy:
                setattr(sys, name, proxy._proxied_original)
            retire(proxy)


_installation: Installation | None = None
_lock = fork_safe_lock()


def _installed() -> Installation:
    global _installation
    if _installation is None:
        _installation = Installation()
        set_installed(True)
    return _installation


def _remove(force: bool) -> None:
    global _installation
    assert _installation is not None
    _installation.remove(force)
    _installation = None
    set_installed(False)


def hold_installation() -> Installation:
    """Have proxies in place until `release_installation`; they are put there if need be."""
    with _lock:
        installation = _installed()
        installation.captures += 1
        return installation


def release_installation(installation: Installation) -> None:
    """Undo one `hold_installation`."""
    with _lock:
        installation.captures -= 1
        if installation is _installation and not installation.captures and not installation.kept:
            _remove(force=False)
