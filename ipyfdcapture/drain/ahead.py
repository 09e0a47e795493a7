"""A helper that is started before anybody captures, so that no capture waits for it.

What serves captures is loaded when the first one begins.
"""

from __future__ import annotations

from ..system.forking import Stage, at_fork, fork_safe_lock
from .host import ProcessHost

_lock = fork_safe_lock()
#: The helper that nobody has taken yet.
_waiting: ProcessHost | None = None
#: Whether this process ever had a helper: it is not told to start another one then.
_had_one = False


def start() -> None:
    """Start a helper for the captures to come. Raises `OSError` if no process can be started."""
    global _waiting, _had_one
    with _lock:
        if not _had_one:
            _waiting = ProcessHost()
            _had_one = True


def take() -> ProcessHost:
    """Return the helper that was started ahead, or a new one. Raises `OSError` as `start` does."""
    global _waiting, _had_one
    with _lock:
        host, _waiting, _had_one = _waiting, None, True
        if host is not None and host.is_usable:
            return host
        if host is not None:
            host.close()
        return ProcessHost()


def _reset_after_fork() -> None:
    global _waiting, _had_one
    host, _waiting, _had_one = _waiting, None, False
    if host is not None:
        host.reset_after_fork()


at_fork(Stage.STATE, in_child=_reset_after_fork)
