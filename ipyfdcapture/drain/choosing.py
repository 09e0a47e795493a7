"""Which drain a capture uses, and what happens to all of them at forks and at exit."""

from __future__ import annotations

import atexit
import contextlib
import errno
from collections.abc import Callable

from ..errors import CaptureError, reason
from ..system.forking import Stage, at_fork, fork_safe_lock
from ..system.living import Living
from . import ahead
from .channel import LateAnswerError
from .drain import Drain
from .host import KINDS, Host, ThreadHost

_HOSTS: dict[str, Callable[[], Host]] = {"process": ahead.take, "thread": ThreadHost}
#: The drain of each kind that new captures use.
_drains: dict[str, Drain] = {}
#: Those that captures may still use.
_all_drains: Living[Drain] = Living()
_lock = fork_safe_lock()

#: How long a helper may take to say that it is there: Python's start, on a machine that is busy
#: or reads its files over a slow network.
_HELLO_S = 10.0
#: So many programs that end at once are tried before it counts as known that none is a helper:
#: one may have been killed, or met a limit.
_MAX_FAILURES = 3
_failures = 0
#: Why no helper can be had, once that is known for good.
_no_helper: OSError | None = None
#: Whether any helper has ever answered: if so, one that does not was killed.
_helpers_work = False
_warned_of_fallback = False


def get_drain(kind: str) -> Drain:
    """Return the drain for ``kind``: ``"auto"``, ``"process"`` or ``"thread"``.

    Parameters
    ----------
    kind
        ``"auto"`` is the helper process or, with a warning, a thread where there can be none.
        The warning waits in ``notices`` until the drain's next capture is over.

    Raises
    ------
    ValueError
        For another kind.
    CaptureError
        If it cannot be had.
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
    except LateAnswerError as error:  # the user has interrupted
        raise CaptureError(reason(error)) from error
    except OSError as error:
        why = reason(error)
    try:
        drain = _existing_or_new("thread")
    except (OSError, RuntimeError) as error:
        raise CaptureError(f"neither a helper process nor a thread can be had: {error}") from error
    if not _warned_of_fallback:
        _warned_of_fallback = True
        drain.notices.add(
            f"no helper process can be started ({why}); captures use a thread, which cannot read "
            "while native code holds the GIL"
        )
    return drain


def _existing_or_new(kind: str) -> Drain:
    drain = _drains.get(kind)
    if drain is not None and drain.is_usable and _is_there(drain):
        return drain
    if drain is not None:
        drain.retire()
    if kind == "process" and _no_helper is not None:
        raise _no_helper
    drain = _drains[kind] = Drain(_HOSTS[kind]())
    _all_drains.add(drain)
    _greet(drain)
    return drain


def _is_there(drain: Drain) -> bool:
    """Tell whether a drain serves; one that was killed before it said hello is no fault."""
    try:
        _greet(drain)
    except ChildProcessError:
        if not _helpers_work:
            raise
        return False
    return True


def _greet(drain: Drain) -> None:
    """Wait for the first word of a helper. Raises `OSError` if what was started is none."""
    global _no_helper, _helpers_work, _failures
    if drain.was_greeted:
        return
    try:
        drain.greet(_HELLO_S)
    except LateAnswerError:
        raise
    except OSError as error:
        _failures += 1
        is_known = not isinstance(error, ChildProcessError) or _failures >= _MAX_FAILURES
        if error.errno == errno.ESTALE or (is_known and not _helpers_work):
            _no_helper = error
        drain.retire()
        raise
    _helpers_work = _helpers_work or drain.was_greeted


def gather_kept(drain: Drain) -> None:
    """Have one drain go on with all recordings whose captures have stopped.

    So what their processes write can be recorded in the logs of its captures as well.
    """
    with _lock:
        for other in _all_drains:
            drain.adopt_kept(other)


# -- at exit and at forks -------------------------------------------------------------------------


def _say_goodbye() -> None:
    for drain in _all_drains:
        drain.say_goodbye()
        drain.stop_watching()  # a subinterpreter must not end with a thread in it


def _stop_watching() -> None:
    for drain in _all_drains:
        drain.stop_watching()


def _watch_again() -> None:
    for drain in _all_drains:
        with contextlib.suppress(OSError):
            drain.watch()


def _reset_after_fork() -> None:
    for drain in _all_drains:
        drain.reset_after_fork()
    _drains.clear()


atexit.register(_say_goodbye)
at_fork(Stage.THREADS, before=_stop_watching, in_parent=_watch_again)
at_fork(Stage.STATE, in_child=_reset_after_fork)
