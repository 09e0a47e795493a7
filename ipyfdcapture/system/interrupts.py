"""Sections that no signal's handler may cut in half.

Python calls its handlers between any two steps of the main thread, and what they raise is raised
there: `KeyboardInterrupt`, or what an alarm raises because something takes too long.
"""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from . import clock
from .calling import call_all
from .forking import Stage, at_fork
from .recursion import RoomForCalls

if TYPE_CHECKING:
    import signal
else:
    # The functions themselves. Those of `signal` convert each number to an enumeration and back,
    # which takes longer than all else that is done here.
    import _signal as signal

_Handler = Callable[[int, FrameType | None], Any]
_Action = ctypes.Array[ctypes.c_void_p]
_NUMBERS = sorted(signal.valid_signals())

#: Wait no longer than this at once. Python looks for signals before it waits: one that comes
#: between the two, or that the system gives to another thread, does not end the wait.
LONGEST_WAIT_S = 0.5
#: How often, and how long, to look whether a thread has returned from a fork.
_RETURN_S = 0.0001
_MAX_RETURN_S = 0.1


class DeferredSignals:
    """Signals that are held back from the main thread, and which of them came meanwhile.

    A context manager, entered once.
    """

    def __init__(self, in_finalizer: bool) -> None:
        self.thread = threading.get_ident()
        self.in_finalizer = in_finalizer
        self.came: dict[int, FrameType | None] = {}
        #: What a handler raised that was called before the block had ended.
        self.error: BaseException | None = None
        self.ended = False
        self.originals: dict[int, _Handler] = {}
        self._actions: dict[int, _Action] = {}
        #: The fork that it was begun and ended in.
        self.call: _Call | None = None
        self._room = RoomForCalls()  # the recursion limit may not cut it in half either

    def __enter__(self) -> None:
        try:
            self._room.__enter__()
            _deferred.append(self)
            self._begin()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            self._end()
        finally:
            _deferred[:] = [each for each in _deferred if each is not self]
            self._room.__exit__()
            if self.in_finalizer:
                self._send_again()
            else:
                self._deliver()

    def _begin(self) -> None:
        """Take the place of all handlers, but leave what the system does at each signal."""
        for number, original in zip(_NUMBERS, map(signal.getsignal, _NUMBERS), strict=True):
            if callable(original):
                self.originals[number], self._actions[number] = original, _action_of(number)
                try:
                    self._set(number, self._note)
                except ValueError as error:
                    if "main thread" not in str(error):
                        raise  # by the handler of another signal, which came right now
                    return  # Python was started by another thread, or this is a subinterpreter

    def _set(self, number: int, handler: _Handler) -> None:
        signal.signal(number, handler)
        # Python has itself called now, and system calls end when the signal comes. Native code, or
        # `signal.siginterrupt`, may have had it otherwise.
        _set_action(number, self._actions[number])

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.ended and not self.in_finalizer:  # it could not be put back
            self._set(number, self.originals[number])
            self.originals[number](number, frame)
        else:
            self.came.setdefault(number, frame)

    def _end(self) -> None:
        """Put all handlers back, even if one that is back already is called, and raises."""
        self.ended = True
        try:
            self._put_back()
        finally:
            self._put_back()

    def _put_back(self) -> None:
        for number, original in self.originals.items():
            if signal.getsignal(number) == self._note:
                self._set(number, original)

    def look(self) -> bool:
        """Call the handlers of what came so far. Tell whether one wants no more waiting."""
        if self.in_finalizer or self.thread != threading.get_ident():
            return self.error is not None or signal.SIGINT in self.came
        # What the last one raises is what is seen: the user's own interrupt.
        for number in sorted(self.came, key=lambda number: number == signal.SIGINT):
            try:
                self.originals[number](number, self.came.pop(number))
            except BaseException as error:
                error.__context__ = error.__context__ or self.error
                self.error = error
        return self.error is not None

    def _deliver(self) -> None:
        """Call the handlers of what came, and raise what they raise."""
        self.in_finalizer = False
        if self.look():
            error, self.error = self.error, None
            try:
                assert error is not None
                raise error
            finally:
                del error  # it refers to this frame

    def _send_again(self) -> None:
        """Have what came come once more, as soon as another thread gets its turn.

        As real signals: the main thread may wait for something by then. But not if they mean
        something else by then, like the end of the program.
        """
        self.in_finalizer = False
        meant = {number: _behind(number, self.originals[number]) for number in self.came}

        def send() -> None:
            if self.call is not None:
                self.call.await_return()
            for number, original in meant.items():
                if _behind(number, signal.getsignal(number)) == original:
                    signal.pthread_kill(self.thread, number)

        if self.came:
            try:
                _thread.start_new_thread(send, ())
            except RuntimeError:  # no thread to be had
                self._deliver()


#: Those of the main thread, the innermost last.
_deferred: list[DeferredSignals] = []


def interrupt_waits() -> bool:
    """Tell whether to stop waiting: a handler that is held back raises something.

    To be asked in a wait: in the main thread, handlers are called here, that waiting does not put
    them off. What they raise is raised when the block has ended.
    """
    deferred = _current()
    return deferred is not None and deferred.look()


def came_before(error: BaseException) -> bool:
    """Count the signal whose handler has raised ``error`` as one that came within this block.

    For finalizers, where what is raised goes nowhere. Tells whether there is such a signal.
    """
    deferred = _current()
    if deferred is None or deferred.thread != threading.get_ident():
        return False
    number = _number_behind(error, deferred.originals)
    if number is not None:
        deferred.came.setdefault(number, None)
    return number is not None


def _number_behind(error: BaseException, handlers: dict[int, _Handler]) -> int | None:
    """Return the signal whose handler has raised an error; None if none has."""
    if isinstance(error, KeyboardInterrupt) and signal.SIGINT in handlers:
        return signal.SIGINT
    called, step = set(), error.__traceback__
    while step is not None:
        called.add(step.tb_frame.f_code)
        step = step.tb_next
    codes = {number: getattr(handler, "__code__", None) for number, handler in handlers.items()}
    return next((number for number, code in codes.items() if code in called), None)


def deferred_interrupts(*, in_finalizer: bool = False) -> contextlib.AbstractContextManager[None]:
    """Hold back all signals that Python has handlers for until the block has ended.

    Then these are called as they would have been. Python calls them in the main thread only, so
    elsewhere there is nothing to do. What they raise in a finalizer goes nowhere: there, they are
    called once it has returned.
    """
    now = _current()
    # Not current_thread(): it leaves a dummy with `threading` for a thread that it did not start.
    here = threading.get_ident()
    if (now is not None and now.thread == here) or here != threading.main_thread().ident:
        return _NOTHING_TO_DEFER
    return DeferredSignals(in_finalizer)


_NOTHING_TO_DEFER = contextlib.nullcontext()


def undivided() -> contextlib.AbstractContextManager[None]:
    """Let neither a signal nor the recursion limit cut the block in half, whatever thread runs it.

    See `deferred_interrupts`, which makes room for calls in the main thread alone.
    """
    deferred = deferred_interrupts()
    return RoomForCalls() if deferred is _NOTHING_TO_DEFER else deferred


def loading(package: str | None, module: str) -> contextlib.AbstractContextManager[None]:
    """Hold signals back while a module is imported where it is first needed.

    Half of it would be loaded once more. And CPython keeps of an interrupt that comes as a class is
    made by `exec`, as `dataclasses` does, that it was one: a program that goes on would tell at its
    end that an interrupt ended it.
    """
    return _NOTHING_TO_DEFER if f"{package}.{module}" in sys.modules else deferred_interrupts()


def _current() -> DeferredSignals | None:
    newest = _deferred[-1:]  # in one step: the main thread may end it meanwhile
    return newest[0] if newest and not newest[0].ended else None


def _behind(number: int, handler: Any) -> Any:
    """Return the handler that is meant by one that holds back, or by any other."""
    deferred = getattr(handler, "__self__", None)
    if isinstance(deferred, DeferredSignals):
        return _behind(number, deferred.originals[number])
    return handler


# -- forks --------------------------------------------------------------------------------------

#: By thread: what holds signals back while it forks.
_forks: dict[int, contextlib.AbstractContextManager[None]] = {}


class _Call:
    """The call of a fork that is running: what is raised within it goes nowhere.

    Not only in what Python calls by itself: after that, Python 3.13 may warn, and forgets what
    comes meanwhile.
    """

    def __init__(self) -> None:
        frame = sys._getframe(1)
        while frame.f_back is not None and frame.f_code.co_filename in _OURS:
            frame = frame.f_back
        self._thread = threading.get_ident()
        self._caller, self._instruction = frame, frame.f_lasti

    def await_return(self) -> None:
        """Wait, in another thread, until it has returned."""
        deadline = clock.monotonic() + _MAX_RETURN_S  # it may fork again and again
        while self._is_running() and clock.monotonic() < deadline:
            clock.sleep(_RETURN_S)

    def _is_running(self) -> bool:
        frame = sys._current_frames().get(self._thread)
        while frame is not None and frame is not self._caller:
            frame = frame.f_back
        return frame is not None and frame.f_lasti == self._instruction


#: The files of what is called between a fork and its caller.
_OURS = {function.__code__.co_filename for function in (deferred_interrupts, at_fork, call_all)}


def _before_fork() -> None:
    deferred = deferred_interrupts(in_finalizer=True)
    deferred.__enter__()
    _forks[threading.get_ident()] = deferred
    if isinstance(deferred, DeferredSignals):
        deferred.call = _Call()


def _after_fork() -> None:
    deferred = _forks.pop(threading.get_ident(), None)
    if deferred is not None:
        deferred.__exit__(None, None, None)


def _forget_after_fork() -> None:
    """In a child: forget what came to its parent, and blocks of other threads. Nobody ends them."""
    while _deferred and _deferred[-1].thread != threading.get_ident():
        _deferred.pop()._end()
    fork = _forks.pop(threading.get_ident(), None)
    _forks.clear()
    if isinstance(fork, DeferredSignals):
        fork.came.clear()
        _forks[fork.thread] = fork


at_fork(Stage.LOCKS, in_child=_forget_after_fork)  # that is first
at_fork(Stage.SIGNALS, before=_before_fork, in_parent=_after_fork, in_child=_after_fork)


# -- what the system does at a signal -------------------------------------------------------------


def _find_sigaction() -> Any:
    with contextlib.suppress(TypeError):  # Windows cannot open the program itself
        # It holds the GIL, or each call would let other threads have their turn.
        return getattr(ctypes.PyDLL(None), "sigaction", None)
    return None


_sigaction = _find_sigaction()


def _action_of(number: int) -> _Action:
    """Return C's `struct sigaction` of a signal."""
    action = (ctypes.c_void_p * 64)()  # longer than that is anywhere
    if _sigaction is not None:
        _sigaction(number, None, action)
    return action


def _set_action(number: int, action: _Action) -> None:
    if _sigaction is not None:
        _sigaction(number, action, None)
