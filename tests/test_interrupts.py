"""Signals that come amid what may not be cut in half: held back, not lost, and nothing else."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from conftest import Python
from helpers.leaks import no_leaks
from helpers.native import Native

from ipyfdcapture import FdCapture, capture_fd, interrupts
from ipyfdcapture.interrupts import deferred_interrupts, interrupt_waits


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
        assert not interrupt_waits()
        signal.raise_signal(signal.SIGINT)
        assert interrupt_waits()
        signal.raise_signal(signal.SIGUSR1)
    assert isinstance(raised.value.__context__, Alarm)
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


@pytest.mark.parametrize("kind", ["capture_fd", "FdCapture"])
def test_the_error_of_an_alarm_is_not_taken_for_one_of_the_capture(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `TimeoutError` is an `OSError`."""
    from ipyfdcapture import capture

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


def test_handlers_of_native_code_stay_in_place(python: Python, native: Native) -> None:
    """Python does not know of them, and could not put them back."""
    shown = python(
        """
        import ctypes, os, signal, sys
        from ipyfdcapture import capture_fd
        library = ctypes.CDLL(sys.argv[1])
        for number in (signal.SIGINT, signal.SIGURG, signal.SIGUSR1):
            assert library.count_signals(number) == 0
        signal.signal(signal.SIGUSR2, lambda *_: None)
        with capture_fd() as logs:
            os.write(1, b"in")
        for number in (signal.SIGINT, signal.SIGURG, signal.SIGUSR1):
            os.kill(os.getpid(), number)
        print(logs.text, library.signals_counted())
        """.replace("\n        ", "\n"),
        native.c("handler"),
    )
    assert shown == "in 3\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the layout of Linux")
def test_what_the_system_does_at_a_signal_stays_as_it_was(python: Python) -> None:
    """`signal.signal` undoes `signal.siginterrupt`, which `asyncio` calls for its handlers."""
    shown = python(
        """
        import ctypes, signal
        from ipyfdcapture import capture_fd
        class Action(ctypes.Structure):  # as Linux has it
            _fields_ = [
                ("handler", ctypes.c_void_p),
                ("mask", ctypes.c_uint64 * 16),
                ("flags", ctypes.c_int),
                ("restorer", ctypes.c_void_p),
            ]
        def actions():
            found = {}
            for number in signal.valid_signals():
                action = Action()
                assert ctypes.CDLL(None).sigaction(number, None, ctypes.byref(action)) == 0
                flags = action.flags & ~0x04000000  # but SA_RESTORER, which is the C library's
                found[number] = (action.handler, action.mask[0], flags)
            return found
        signal.signal(signal.SIGUSR1, lambda *_: None)
        interrupting = actions()[signal.SIGUSR1]
        signal.siginterrupt(signal.SIGUSR1, False)
        before = actions()
        with capture_fd() as logs:
            during = actions()
        print(interrupting != before[signal.SIGUSR1], during == before, actions() == before)
        """.replace("\n        ", "\n")
    )
    assert shown == "True True True\n"


def test_a_child_that_another_thread_forked_amid_a_block_can_be_interrupted(
    python: Python,
) -> None:
    shown = python(
        """
        import os, signal, threading
        from ipyfdcapture.interrupts import deferred_interrupts
        def fork():
            child = os.fork()
            if child == 0:
                try:
                    signal.raise_signal(signal.SIGINT)
                    os._exit(1)
                except KeyboardInterrupt:
                    os._exit(7)
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        statuses = []
        with deferred_interrupts():
            thread = threading.Thread(target=fork)
            thread.start()
            thread.join(20)
        print(statuses)
        """.replace("\n        ", "\n"),
    )
    assert shown == "[7]\n"
