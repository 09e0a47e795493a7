"""What happens at a fork: one registry, in one order.

A forked child has one thread: the one that forked. Whatever another thread was in the middle of
stays as it was, and its locks are never released. So each room says here what is to be done
before a fork and after it:

- `fork_safe_lock` makes a lock that is free in the child, unless the forking thread holds it;
- `at_fork` registers functions at one of the stages of `Stage`.

Before the fork, the stages come in the order of `Stage`; after it, in the parent and in the
child, in the opposite one. Within a stage the newest comes first before the fork, and last after
it. In the child, all locks are free again before anything else is done. Forks of several threads
take turns. A handler that fails does not keep the others from being called.
"""

from __future__ import annotations

import enum
import os
import threading
from collections.abc import Callable
from typing import NamedTuple

from .calling import call_all
from .living import Living

Handler = Callable[[], object]


class Stage(enum.IntEnum):
    """When a function is called, see the module."""

    #: Signals are held back: what their handlers raised amid the following would go nowhere.
    SIGNALS = 0
    #: Forks of several threads wait for each other.
    TURNS = 1
    #: What waits in buffers is written: else parent and child would both write it.
    FLUSH = 2
    #: The child forgets what is its parent's (descriptors, recordings, captures).
    STATE = 3
    #: Threads of ours end, and start again in the parent: Python warns, and is right, of forks
    #: while others run.
    THREADS = 4
    #: Locks are held, so that the child finds whole what they protect.
    LOCKS = 5


class _Handlers(NamedTuple):
    stage: Stage
    before: Handler | None
    in_parent: Handler | None
    in_child: Handler | None


#: In the order in which they are called before a fork.
_handlers: list[_Handlers] = []
_locks: Living[threading.RLock] = Living()
#: Held from before a fork until after it.
_forking = threading.RLock()


def fork_safe_lock() -> threading.RLock:
    """Return a reentrant lock that a forked child finds free.

    If the thread that forks holds it, it holds it in the child as well, and releases it there.
    """
    lock = threading.RLock()
    _locks.add(lock)
    return lock


def is_owned(lock: threading.RLock) -> bool:
    """Tell whether this thread holds ``lock``."""
    # Private, but there as long as Condition needs it: since Python 2.
    return bool(lock._is_owned())  # type: ignore[attr-defined]


def at_fork(
    stage: Stage,
    *,
    before: Handler | None = None,
    in_parent: Handler | None = None,
    in_child: Handler | None = None,
) -> None:
    """Call functions at each fork, for as long as the process lives.

    Parameters
    ----------
    stage
        When, relative to what others register.
    before
        Called in the thread that forks, before it does.
    in_parent
        Called after the fork, in the process that forked.
    in_child
        Called after the fork, in the new process.
    """
    global _handlers
    # A new list: another thread may fork right now. Stable: the newest of a stage stays first.
    handlers = [_Handlers(stage, before, in_parent, in_child), *_handlers]
    _handlers = sorted(handlers, key=lambda each: each.stage)


def _before() -> None:
    call_all(each.before for each in _handlers)


def _in_parent() -> None:
    call_all(each.in_parent for each in reversed(_handlers))


def free_locks() -> None:
    """Free the locks that other threads held: there are none any more."""
    for lock in _locks:
        if not is_owned(lock):
            # As the standard library does with its own.
            lock._at_fork_reinit()  # type: ignore[attr-defined]


def _in_child() -> None:
    free_locks()
    call_all(each.in_child for each in reversed(_handlers))


at_fork(Stage.TURNS, before=_forking.acquire, in_parent=_forking.release, in_child=_forking.release)
if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
