"""Sections that no signal's handler may cut in half.

Python calls its handlers between any two steps of the main thread, and what they raise is raised
there: `KeyboardInterrupt`, or what an alarm raises because something takes too long.
"""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import signal
else:
    # The functions themselves. Those of `signal` convert each number to an enumeration and back,
    # which takes longer than all else that is done here.
    import _signal as signal

_Handler = Callable[[int, FrameType | None], Any]
_NUMBERS = sorted(signal.valid_signals())
#: Those that do nothing where nobody has a handler for them.
_HARMLESS = (signal.SIGURG, signal.SIGWINCH, signal.SIGCHLD)
#: A handler that is back already may keep the next one from being put back; rarely more than once.
_TRIES = 5


class _Hold:
    """Signals that are held back from the main thread, and which of them came meanwhile."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.came: dict[int, FrameType | None] = {}
        self._usual: dict[int, _Handler] = {}
        self._actions: dict[int, _Action] = {}

    def begin(self) -> None:
        for number in _NUMBERS:
            usual = signal.getsignal(number)
            if callable(usual):
                action = _action_of(number)
                if _is_pythons(action):
                    self._usual[number], self._actions[number] = usual, action
                    self._set(number, self._note)

    def _set(self, number: int, handler: _Handler) -> None:
        signal.signal(number, handler)
        # That has system calls end when the signal comes, whether they did before or not.
        _set_action(number, self._actions[number])

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came.setdefault(number, frame)

    def end(self) -> None:
        """Put all handlers back, even if one that is back already is called, and raises."""
        errors: list[BaseException] = []
        for number, usual in self._usual.items():
            for _ in range(_TRIES):
                try:
                    if signal.getsignal(number) == self._note:
                        self._set(number, usual)
                    break
                except BaseException as error:
                    errors.append(error)
        if errors:
            raise errors[0]

    def deliver(self) -> None:
        """Call the handlers of what came."""
        # What the last one raises is what is seen: the user's own interrupt.
        self._call(sorted(self.came, key=lambda number: number == signal.SIGINT))

    def _call(self, numbers: list[int]) -> None:
        if numbers:
            try:
                self._usual[numbers[0]](numbers[0], self.came[numbers[0]])
            finally:
                self._call(numbers[1:])

    def send_again(self) -> None:
        """Have what came come once more, as soon as another thread gets its turn.

        As real signals: the main thread may wait for something by then.
        """

        def send() -> None:
            for number in self.came:
                signal.pthread_kill(self.thread, number)

        if self.came:
            with contextlib.suppress(RuntimeError):  # no thread to be had
                _thread.start_new_thread(send, ())


_hold: _Hold | None = None


def interrupt_waits() -> bool:
    """Tell whether an interrupt is held back right now: the user wants no more waiting."""
    hold = _hold
    return hold is not None and signal.SIGINT in hold.came


@contextlib.contextmanager
def deferred_interrupts(*, in_finalizer: bool = False) -> Iterator[None]:
    """Hold back SIGINT, and all that Python has handlers for, until the block has ended.

    Then they are called as they would have been; those of native code always are. Python calls
    handlers in the main thread only, so elsewhere there is nothing to do. What they raise in a
    finalizer goes nowhere: there, they are called once it has returned.
    """
    global _hold
    # Not current_thread(): it leaves a dummy with `threading` for a thread that it did not start.
    if _hold_is_here() or threading.get_ident() != threading.main_thread().ident:
        yield
        return
    hold = _Hold()
    try:
        hold.begin()
        _hold = hold
        yield
    finally:
        _hold = None
        try:
            hold.end()
        finally:
            if in_finalizer:
                hold.send_again()
            else:
                hold.deliver()


def _hold_is_here() -> bool:
    hold = _hold
    return hold is not None and hold.thread == threading.get_ident()


def _forget_after_fork() -> None:
    """In a child that another thread forked amid a block: nobody ends it there."""
    global _hold
    if _hold is not None and not _hold_is_here():
        hold, _hold = _hold, None
        hold.end()


os.register_at_fork(after_in_child=_forget_after_fork)


# -- handlers of native code ----------------------------------------------------------------------

_Action = ctypes.Array[ctypes.c_void_p]
# It holds the GIL, or each call would let other threads have their turn.
_sigaction = getattr(ctypes.PyDLL(None), "sigaction", None)
_pythons: int | None = None


def _is_pythons(action: _Action) -> bool:
    """Tell whether it is Python that the system calls for a signal.

    Native code may have put a handler of its own in that place, which Python knows nothing of and
    could not put back.
    """
    global _pythons
    if _pythons is None:
        _pythons = _find_pythons()
    return _pythons == (action[0] or 0)


def _find_pythons() -> int:
    """Return the address of what Python has the system call for all signals that it handles."""
    for spare in _HARMLESS:
        action = _action_of(spare)
        if signal.getsignal(spare) == signal.SIG_DFL and not action[0]:
            try:
                signal.signal(spare, lambda *_: None)
                return _action_of(spare)[0] or 0
            finally:
                signal.signal(spare, signal.SIG_DFL)
                _set_action(spare, action)
    return _action_of(signal.SIGINT)[0] or 0


def _action_of(number: int) -> _Action:
    """Return C's `struct sigaction` of a signal. Its first field is the address of the handler."""
    action = (ctypes.c_void_p * 64)()  # longer than that is anywhere
    if _sigaction is not None:
        _sigaction(number, None, action)
    return action


def _set_action(number: int, action: _Action) -> None:
    if _sigaction is not None:
        _sigaction(number, action, None)
