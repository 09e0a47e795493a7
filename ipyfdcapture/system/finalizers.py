"""Finalizers that survive interrupts.

`weakref.finalize` is written in Python. An interrupt that comes as it is called is raised in it, so
that the work is never done; and since nobody can catch what a finalizer raises, the user's
interrupt is lost as well.
"""

from __future__ import annotations

import functools
import weakref
from collections import deque
from collections.abc import Callable

from .interrupts import deferred_interrupts


class Finalizer:
    """Calls ``function(*args)`` when ``owner`` is gone, or at exit; or now, if it is called.

    ``at_exit`` tells whether to call it for an owner that is there to the end of the program. An
    interrupt meanwhile waits until that is done. Where one came just before, it is done by the
    next `run_pending`.
    """

    def __init__(
        self,
        owner: object,
        function: Callable[..., object],
        *args: object,
        at_exit: bool = True,
    ) -> None:
        self._work: Callable[[], object] | None = functools.partial(function, *args)
        self._notice: _DeathNotice | None = None
        self._finalize = weakref.finalize(owner, self._owner_is_gone)
        self._finalize.atexit = at_exit
        # Made last, it is called first; and nothing can interrupt what is not written in Python.
        self._notice = _DeathNotice(owner, _pending.append)
        self._notice.finalizer = self

    def __call__(self) -> None:
        """Do it, unless it is done."""
        with deferred_interrupts():
            work, self._work = self._work, None
            if work is not None:
                work()
            self.detach()

    def detach(self) -> None:
        """Cancel."""
        self._work = self._notice = None
        self._finalize.detach()

    def _owner_is_gone(self) -> None:
        if self._work is None:  # done with another finalizer of the same object
            return
        at_exit = self._notice is not None and self._notice() is not None  # it is not gone at all
        with deferred_interrupts(in_finalizer=not at_exit):
            run_pending()  # this one, too, unless no notice of it could be made
            if self._work is not None:
                self()


class _DeathNotice(weakref.ref[object]):
    """A weak reference whose callback says that an object is gone."""

    __slots__ = ("finalizer",)
    finalizer: Finalizer


_pending: deque[weakref.ref[object]] = deque()


def run_pending() -> None:
    """Run the finalizers that an interrupt kept from running."""
    with deferred_interrupts():
        while True:
            try:
                notice = _pending.popleft()
            except IndexError:  # another thread may have taken the last one
                return
            assert isinstance(notice, _DeathNotice)
            notice.finalizer()


# Finalizers run at exit where the first of all was made among the functions that are called then:
# made here, so that a function which a program registers after it has imported this package, but
# before it captures, can still read its logs.
weakref.finalize(Finalizer, int)
