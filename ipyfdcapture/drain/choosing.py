"""Which drain a capture uses, and what happens to all of them at forks and at exit."""

from __future__ import annotations

import atexit
import contextlib
import warnings
import weakref
from collections.abc import Callable

from ..errors import CaptureError, reason
from ..system.forking import Stage, at_fork, fork_safe_lock
from .drain import Drain
from .host import Host, ProcessHost, ThreadHost

KINDS = ("auto", "process", "thread")

_HOSTS: dict[str, Callable[[], Host]] = {"process": ProcessHost, "thread": ThreadHost}
#: The drain of each kind that new captures use.
_drains: dict[str, Drain] = {}
#: Those that captures may still use.
_all_drains: weakref.WeakSet[Drain] = weakref.WeakSet()
_lock = fork_safe_lock()
_warned_of_fallback = False


def get_drain(kind: str) -> Drain:
    """Return the drain for ``kind``: ``"auto"``, ``"process"`` or ``"thread"``.

    ``"auto"`` is the helper process or, with a warning, a thread where there can be none.

    Raises `ValueError` for another kind, `CaptureError` if it cannot be had.
    """
    if kind not in KINDS:
        raise ValueError(f"drain must be one of {', '.join(KINDS)}, not {kind!r}")
    with _lock:
        if kind == "auto":
            return _helper_or_thread()
        try:
            return _existing_or_new(kind)
        except OSError as error:
            raise CaptureError(f'drain="{kind}" is not possible here: {reason(error)}') from error


def _helper_or_thread() -> Drain:
    global _warned_of_fallback
    try:
        return _existing_or_new("process")
    except OSError as error:
        if not _warned_of_fallback:
            _warned_of_fallback = True
            warnings.warn(
                f"no helper process can be started ({reason(error)}); captures use a "
                "thread, which cannot read while native code holds the GIL",
                RuntimeWarning,
                stacklevel=2,
            )
    try:
        return _existing_or_new("thread")
    except (OSError, RuntimeError) as error:
        raise CaptureError(f"neither a helper process nor a thread can be had: {error}") from error


def _existing_or_new(kind: str) -> Drain:
    drain = _drains.get(kind)
    if drain is None or not drain.is_usable:
        if drain is not None:
            drain.close()
        drain = _drains[kind] = Drain(_HOSTS[kind]())
        _all_drains.add(drain)
    return drain


# -- at exit and at forks -------------------------------------------------------------------------


def _say_goodbye() -> None:
    for drain in list(_all_drains):
        drain.say_goodbye()


def _stop_watching() -> None:
    for drain in list(_all_drains):
        drain.stop_watching()


def _watch_again() -> None:
    for drain in list(_all_drains):
        with contextlib.suppress(OSError):
            drain.watch()


def _reset_after_fork() -> None:
    for drain in list(_all_drains):
        drain.reset_after_fork()
    _drains.clear()


atexit.register(_say_goodbye)
at_fork(Stage.THREADS, before=_stop_watching, in_parent=_watch_again)
at_fork(Stage.STATE, in_child=_reset_after_fork)
