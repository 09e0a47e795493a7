"""Finalizers that survive interrupts.

Python calls the callback of a weak reference wherever the last reference to its object goes, and
what is raised in it goes nowhere. An interrupt that comes as a function begins would be raised in
it: the work would not be done, and the interrupt lost. So the callback is the `send` of a
generator. It is written in C, and what it goes on with lies within a ``try``: there is no moment
before that.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator

from .calling import call_all
from .interrupts import came_before, deferred_interrupts

#: What is to be done, the oldest first.
_work: dict[Finalizer, Callable[[], object]] = {}
#: Whether that is over. The daemon threads of a program that ends stop wherever they are, and never
#: release a lock: nobody must wait for one as Python takes its modules apart.
_has_ended = False
#: Says whose owners are gone.
_notices: deque[weakref.ref[object]] = deque()


class Finalizer:
    """Calls ``function(*args)`` when ``owner`` is gone, or at exit; or now, if it is called.

    ``at_exit`` tells whether to call it for an owner that is there to the end of the program. An
    interrupt meanwhile waits until that is done. Where Python cannot begin it, as at the recursion
    limit, the next `run_pending` does it.
    """

    def __init__(
        self,
        owner: object,
        function: Callable[..., object],
        *args: object,
        at_exit: bool = True,
    ) -> None:
        self.at_exit = at_exit
        _work[self] = functools.partial(function, *args)
        waiting = _await_death()
        next(waiting)
        calling = weakref.ref(owner, waiting.send)
        # Made last, it is called first: the other finds what it says.
        notice = _Notice(owner, _notices.append)
        notice.finalizer = self
        self._references: tuple[weakref.ref[object], ...] = (calling, notice)

    def __call__(self) -> None:
        """Do it, unless it is done."""
        with deferred_interrupts():
            work = _work.pop(self, None)
            self.detach()
            if work is not None:
                work()

    def detach(self) -> None:
        """Cancel."""
        _work.pop(self, None)
        self._references = ()


class _Notice(weakref.ref[object]):
    """A weak reference whose callback says that an object is gone. It is written in C, too."""

    __slots__ = ("finalizer",)
    finalizer: Finalizer


def _await_death() -> Generator[None, object, None]:
    """Run the finalizers that are due, once this is sent the weak reference to what is gone."""
    try:
        yield
        _run_amid_others()
    except GeneratorExit:  # it was detached
        return
    except BaseException as error:
        _run_amid_others(error)
    yield  # else `send` would raise


def _run_amid_others(raised: BaseException | None = None) -> None:
    """Run the finalizers that are due, wherever Python calls this.

    ``raised`` is what was raised just before. An interrupt comes once more after this.
    """
    with deferred_interrupts(in_finalizer=True):
        is_interrupt = raised is not None and came_before(raised)
        run_pending()
    if raised is not None and not is_interrupt:
        raise raised


def run_pending() -> None:
    """Run the finalizers of all owners that are gone."""
    if _notices and not _has_ended:
        with deferred_interrupts():
            call_all(_due())


def _due() -> Iterator[Finalizer]:
    with contextlib.suppress(IndexError):  # another thread may take the last one
        while True:
            notice = _notices.popleft()
            assert isinstance(notice, _Notice)
            yield notice.finalizer


def _run_at_exit() -> None:
    global _has_ended
    try:
        call_all(_left())
    finally:
        _has_ended = True


def _left() -> Iterator[Finalizer]:
    """Yield what is left to do at exit, the newest first. Daemon threads may go on making more."""
    for finalizer in reversed(list(_work)):
        if finalizer.at_exit:
            yield finalizer


# Made here, so that a function which a program registers after it has imported this package, but
# before it captures, can still read its logs.
atexit.register(_run_at_exit)
