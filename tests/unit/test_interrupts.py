"""Signals that come amid what may not be cut in half: held back, not lost, and nothing else."""

from __future__ import annotations

import contextlib
import select
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from helpers.deaths import interrupt_as_it_goes
from helpers.fixtures import Script
from helpers.leaks import no_leaks
from helpers.native import Native
from helpers.wait import LIMIT_S

from ipyfdcapture import FdCapture, capture_fd
from ipyfdcapture.system import interrupts
from ipyfdcapture.system.finalizers import Finalizer
from ipyfdcapture.system.interrupts import deferred_interrupts, interrupt_waits
from ipyfdcapture.system.recursion import RoomForCalls


class Alarm(Exception):
    pass


def ring(*_: object) -> None:
    raise Alarm


@contextlib.contextmanager
def handler(number: int, function: Any) -> Iterator[None]:
    usual = signal.signal(number, function)
    try:
        yield
    finally:
        signal.signal(number, usual)


def test_what_comes_amid_a_block_is_called_when_that_has_ended() -> None:
    steps: list[Any] = []

    def note(number: int, frame: FrameType | None) -> None:
        assert frame is not None
        steps.append((number, frame.f_code.co_name))

    with handler(signal.SIGUSR1, note), handler(signal.SIGUSR2, note):
        with deferred_interrupts():
            with deferred_interrupts():
                signal.raise_signal(signal.SIGUSR1)
                signal.raise_signal(signal.SIGUSR2)
                signal.raise_signal(signal.SIGUSR1)
            steps.append("inner block ended")
        steps.append("ended")
    here = "test_what_comes_amid_a_block_is_called_when_that_has_ended"
    assert steps[0] == "inner block ended"
    assert sorted(steps[1:3]) == [(signal.SIGUSR1, here), (signal.SIGUSR2, here)]
    assert steps[3:] == ["ended"]


def test_the_users_interrupt_is_what_is_seen_if_others_came_too() -> None:
    with (
        handler(signal.SIGALRM, ring),
        handler(signal.SIGUSR1, ring),
        pytest.raises(KeyboardInterrupt) as raised,
        deferred_interrupts(),
    ):
        signal.raise_signal(signal.SIGALRM)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGUSR1)
    assert isinstance(raised.value.__context__, Alarm)


def test_a_wait_calls_handlers_and_goes_on_unless_one_raises() -> None:
    called: list[int] = []
    with (
        handler(signal.SIGUSR1, lambda number, _: called.append(number)),
        handler(signal.SIGALRM, ring),
        pytest.raises(Alarm) as raised,
    ):
        with deferred_interrupts():
            with deferred_interrupts():
                signal.raise_signal(signal.SIGUSR1)
                assert not interrupt_waits()
                assert called == [signal.SIGUSR1]
                signal.raise_signal(signal.SIGALRM)
                assert interrupt_waits()
            assert interrupt_waits()
            called.append(-1)
        called.append(-2)
    assert called == [signal.SIGUSR1, -1]
    assert raised.value.__context__ is None
    assert not interrupt_waits()


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_comes_as_a_block_begins_or_ends_leaves_all_handlers_as_they_were(
    when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupting:
        """The system's functions. A signal comes before or after one call that sets a handler."""

        def __init__(self, call: int) -> None:
            self._calls_left = call

        def __getattr__(self, name: str) -> Any:
            return getattr(usual, name)

        def signal(self, number: int, function: Any) -> Any:
            self._calls_left -= 1
            if self._calls_left == 0 and when == "before":
                signal.raise_signal(signal.SIGHUP)
            before = usual.signal(number, function)
            if self._calls_left == 0 and when == "after":
                signal.raise_signal(signal.SIGHUP)
            return before

    usual = interrupts.signal
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    hits = 0
    with handler(signal.SIGHUP, ring):
        for call in range(1, 20):
            with monkeypatch.context() as patch:
                patch.setattr(interrupts, "signal", Interrupting(call))
                try:
                    with deferred_interrupts():
                        pass
                except Alarm:
                    hits += 1
            assert signal.getsignal(signal.SIGHUP) is ring, call
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before
    assert hits >= 4  # as each is taken and put back, if only SIGHUP and SIGINT have handlers
    assert not interrupt_waits()


def test_a_handler_that_could_not_be_put_back_is_put_back_by_its_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Interrupted:
        """The system's functions; its signal comes as soon as SIGHUP's handler is back."""

        is_back = False

        def __getattr__(self, name: str) -> Any:
            return getattr(usual, name)

        def signal(self, number: int, function: Any) -> Any:
            if self.is_back:
                signal.raise_signal(signal.SIGHUP)
            self.is_back |= function is ring
            return usual.signal(number, function)

    usual = interrupts.signal
    with handler(signal.SIGHUP, ring), pytest.raises(Alarm), monkeypatch.context() as patch:
        patch.setattr(interrupts, "signal", Interrupted())
        with deferred_interrupts():
            pass
    assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_raised_as_a_finalizer_begins_is_raised_once_that_is_done() -> None:
    class Owner:
        pass

    owner, done = Owner(), list[int]()
    Finalizer(owner, done.append, 1)
    ringing = interrupt_as_it_goes(owner, signal.SIGALRM)
    with handler(signal.SIGALRM, ring), pytest.raises(Alarm):
        del owner
        assert done == [1]
        select.select([], [], [], LIMIT_S)
    assert ringing() is None


def test_what_a_finalizer_raises_is_told_and_keeps_no_other_from_its_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Owner:
        pass

    def fail() -> None:
        raise ValueError("in a finalizer")

    told: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda fault: told.append(str(fault.exc_value)))
    owner, done = Owner(), list[int]()
    Finalizer(owner, done.append, 1)
    Finalizer(owner, fail)
    Finalizer(owner, done.append, 2)
    del owner
    assert sorted(done) == [1, 2]
    assert told == ["in a finalizer"]


def test_what_comes_amid_a_finalizer_comes_again_unless_it_means_something_else_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the end of a time limit, most programs put back what ends the program."""

    class Starting:
        """Keeps what is to be done in a thread."""

        @staticmethod
        def start_new_thread(function: Callable[[], None], _: tuple[()]) -> None:
            waiting.append(function)

    waiting: list[Callable[[], None]] = []
    monkeypatch.setattr(interrupts, "_thread", Starting())
    assert signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL
    for comes in (True, False):
        with handler(signal.SIGUSR2, ring):
            with contextlib.ExitStack() as amid_another:
                amid_another.enter_context(deferred_interrupts())
                interrupts._deferred[-1].ended = True  # a finalizer may run as it ends
                with deferred_interrupts(in_finalizer=True):
                    signal.raise_signal(signal.SIGUSR2)
            send = waiting.pop()
            if comes:
                with pytest.raises(Alarm), deferred_interrupts():  # it may be held back again
                    send()
        if not comes:
            send()  # it would end this process


@pytest.mark.parametrize("kind", ["capture_fd", "FdCapture"])
def test_the_error_of_an_alarm_is_not_taken_for_one_of_the_capture(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `TimeoutError` is an `OSError`."""
    from ipyfdcapture.capture import session as capture

    def interrupted(*args: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGALRM)
        return usual(*args, **options)

    def time_out(*_: object) -> None:
        raise TimeoutError("the user's")

    with capture_fd() as logs:  # makes what stays for all that come
        pass
    logs.close()
    usual = capture.get_drain
    monkeypatch.setattr(capture, "get_drain", interrupted)
    with no_leaks():
        begun = FdCapture(1) if kind == "FdCapture" else capture_fd()
        with handler(signal.SIGALRM, time_out), pytest.raises(TimeoutError, match="the user's"):
            begun.start()
        del begun


def test_handlers_of_native_code_stay_in_place(script: Script, native: Native) -> None:
    """Python does not know of them, and could not put them back."""
    shown = script("interrupts/handlers_of_native_code_stay_in_place", native.c("handler"))
    assert shown == "in 3\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the layout of Linux")
def test_what_the_system_does_at_a_signal_stays_as_it_was(script: Script) -> None:
    """`signal.signal` undoes `signal.siginterrupt`, which `asyncio` calls for its handlers."""
    shown = script("interrupts/what_the_system_does_at_a_signal_stays_as_it_was")
    assert shown == "True True True\n"


@pytest.mark.parametrize("when", ["before", "in_parent"])
def test_an_interrupt_amid_a_fork_is_not_lost(script: Script, when: str) -> None:
    """What a function raises that Python calls at a fork goes nowhere."""
    shown = script("interrupts/an_interrupt_amid_a_fork_is_not_lost", when)
    assert shown == "interrupted []\n7\n"


def test_a_child_that_another_thread_forked_amid_a_block_can_be_interrupted(
    script: Script,
) -> None:
    shown = script("interrupts/a_child_that_another_thread_forked_amid_a_block_can_be_interrupted")
    assert shown == "[7]\n"


@pytest.mark.parametrize("when", ["begins", "ends"])
def test_a_child_forked_as_a_block_begins_or_ends_can_be_interrupted(
    script: Script, when: str
) -> None:
    shown = script("interrupts/a_child_forked_as_a_block_begins_or_ends_can_be_interrupted", when)
    assert shown == "[7]\n"


def test_a_signal_amid_what_is_done_at_exit_is_not_lost(script: Script) -> None:
    shown = script("interrupts/a_signal_amid_what_is_done_at_exit_is_not_lost")
    assert shown == "handled\n"


def test_a_handler_may_capture_as_the_room_for_calls_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The handlers are back by then, so that one may be called between any two lines."""
    limit, look = sys.getrecursionlimit(), sys.getrecursionlimit

    def look_and_be_interrupted() -> int:
        monkeypatch.undo()
        with RoomForCalls():
            pass
        return look()

    with RoomForCalls():
        monkeypatch.setattr(sys, "getrecursionlimit", look_and_be_interrupted)
    assert sys.getrecursionlimit is look
    with RoomForCalls():
        assert sys.getrecursionlimit() > limit
    assert sys.getrecursionlimit() == limit
