"""Talking to a pump: requests with descriptors out, answers in.

Any thread may talk, one at a time (the drain's lock sees to that). But a signal's handler may ask
something while its own thread waits for an answer. So requests are queued whole, and answers are
kept for whom they are for.

A pump may live and not answer: it was stopped, or waits for a file system. So nothing here waits
without a limit, nor once the user interrupts.

A pump in another process gets descriptors with the messages; how many it can have is for it to
say. One in a thread of this process gets the numbers of duplicates, made when a request is queued:
so whether there are enough shows then, and not when nobody can be told any more.
"""

from __future__ import annotations

import array
import contextlib
import errno
import itertools
import json
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..system import clock
from ..system.descriptors import NO_SIGNAL, Socket, duplicate
from ..system.interrupts import deferred_interrupts, interrupt_waits
from ..system.polling import wait_until_readable, wait_until_writable
from .protocol import MOST_FDS, Request, encode

#: How a pump that is gone shows; anything else is a fault of the request.
GONE = (BrokenPipeError, ConnectionResetError)

#: How long a pump may take to answer. A machine under load takes 0.1 s at times, one that swaps a
#: second or two; a user who waits longer thinks that the kernel hangs.
ANSWER_S = 3.0
#: The same for one that has been late before, so that each look at a log is not held up anew.
LATE_ANSWER_S = 0.2

#: How long to wait before looking whether the user interrupts, or a signal's handler has taken
#: the answer.
_LOOK_S = 0.1
#: A look that ends so long (s) after the one before does so because this whole process was stopped,
#: by Ctrl-Z or with its container, and perhaps the pump with it: it is given its time once more.
_STOPPED_S = 1.0
#: Requests are sent in parts of about this size, which the system takes whole or not at all.
_SEND_BYTES = 32 << 10
_SEND_FLAGS = socket.MSG_DONTWAIT | NO_SIGNAL


class LateAnswerError(OSError):
    """The pump lives and has not answered within the limit, or the user has interrupted."""

    def __init__(self) -> None:
        super().__init__(errno.ETIMEDOUT, "what empties the pipes does not answer")


Answer = dict[str, Any]


class _Queued(NamedTuple):
    """One request that was not sent yet."""

    line: bytes
    fds: Sequence[int]  # what goes with it
    own: Sequence[int]  # what it names, and the pump will own
    recording: int | None  # the number of the recording that it is about


class Channel:
    """One conversation with one pump.

    Parameters
    ----------
    control
        What leads to the pump.
    is_local
        Whether the pump is in this process.
    """

    def __init__(self, control: Socket, is_local: bool) -> None:
        self.control = control
        self._is_local = is_local
        #: So many more descriptors a pump in another process can take for sure.
        self.room = 0
        self._numbers = itertools.count(1)
        self._unsent: list[_Queued] = []
        self._cut = b""  # the rest of what was sent in part
        #: Whether an answer has not come in time, and none since.
        self.is_late = False
        # As of `clock.monotonic`: at least until when an answer is waited for, and the last look.
        self._grace_until = self._looked = 0.0
        self._received = b""
        #: By number: the answers that are waited for. None: not there yet.
        self._answers: dict[int, Answer | None] = {}
        #: By number: what takes an answer that is not waited for.
        self._takers: dict[int, Callable[[Answer], object]] = {}

    def enqueue(self, request: Request, fds: Sequence[int] = ()) -> None:
        """Have a request sent with what follows. ``fds`` stay the caller's.

        Raises `OSError`, with nothing queued, if a local pump cannot have them.
        """
        request["fds"] = len(fds)
        own: Sequence[int] = ()
        if self._is_local:
            own = request["own"] = _duplicates(fds)
            fds = ()
        else:
            self.room -= len(fds)
        number = request.get("id")
        recording = number if isinstance(number, int) else None
        self._unsent.append(_Queued(encode(request), fds, own, recording))

    @property
    def is_short_of_room(self) -> bool:
        """Whether the pump may be unable to have what is queued."""
        return not self._is_local and self.room < 0

    def enqueue_question(self, request: Request, taker: Callable[[Answer], object]) -> None:
        """Have a request sent with what follows, and its answer given to ``taker`` once taken."""
        number = request["reply"] = next(self._numbers)
        self._takers[number] = taker
        self.enqueue(request)

    def discard(self, recording: int) -> None:
        """Send nothing of what is queued with descriptors for a recording: they will be closed."""
        for queued in self._unsent[:]:
            if queued.recording == recording and (queued.fds or queued.own):
                self._unsent.remove(queued)
                self.room += len(queued.fds)
                for fd in queued.own:
                    os.close(fd)

    def forget(self) -> None:
        """Send nothing of what is queued: its descriptors are others' now."""
        self._unsent.clear()

    def new_deadline(self) -> float:
        """Return until when (`clock.monotonic`) an answer is waited for that is asked for now."""
        self._looked = clock.monotonic()
        return self._looked + (LATE_ANSWER_S if self.is_late else ANSWER_S)

    def send(self, deadline: float = 0) -> None:
        """Send what is queued.

        Raises one of `GONE` if the pump is, `LateAnswerError` if it does not take everything
        before ``deadline``; the rest stays queued. (Who closes descriptors that go with it says so
        to `discard`.)
        """
        with deferred_interrupts():
            while self._cut or self._unsent:
                if not self.control.is_ours():
                    raise ConnectionResetError("the socket was closed")
                try:
                    self._send_some()
                except BlockingIOError:
                    self._await(wait_until_writable, deadline)

    def _send_some(self) -> None:
        """Send as many requests at once as their size and their descriptors allow."""
        lines, fds, count = self._cut, list[int](), 0
        for queued in self._unsent:
            if lines and (len(fds) + len(queued.fds) > MOST_FDS or len(lines) > _SEND_BYTES):
                break
            lines += queued.line
            fds += queued.fds
            count += 1
        if fds:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
            sent = self.control.sendmsg([lines], ancillary, _SEND_FLAGS)
        else:
            sent = self.control.send(lines, _SEND_FLAGS)
        del self._unsent[:count]
        self._cut = lines[sent:]

    def ask(self, request: Request, deadline: float) -> Answer:
        """Send what is queued and a question; return its answer.

        Raises one of `GONE` if the pump is, `LateAnswerError` if it does not answer before
        ``deadline``, and `OSError` if it could not do what was asked.
        """
        number = request["reply"] = next(self._numbers)
        self._answers[number] = None
        try:
            self.enqueue(request)
            self.send(deadline)
            while (answer := self._answers[number]) is None:
                self.take_answer(deadline)
        finally:
            del self._answers[number]
        check_answer(answer)
        return answer

    def take_answer(self, deadline: float) -> None:
        """Take the next answer, for whomever it is; wait for some of it if it has not come.

        Raises one of `GONE` if the pump is, `LateAnswerError` if nothing comes before
        ``deadline``.
        """
        if b"\n" not in self._received:
            self._await(wait_until_readable, deadline)  # amid which a handler may take the answer
        with deferred_interrupts():  # what is taken from the socket is noted
            if b"\n" not in self._received:
                with contextlib.suppress(BlockingIOError):
                    self._receive_some()
            if b"\n" in self._received:
                self._next_answer()

    def take_answers(self) -> None:
        """Take the answers that have come: unread ones would stop the pump one day."""
        if not self._takers:
            return
        with deferred_interrupts():
            with contextlib.suppress(BlockingIOError, *GONE):  # if it is gone, sending will tell
                self._receive_some()
            while b"\n" in self._received:
                self._next_answer()

    def _await(self, wait: Callable[[int, float], bool], deadline: float) -> None:
        """Wait for a moment; no longer than until ``deadline``, or until the user interrupts."""
        if not self.control.is_ours():  # closed by a signal's handler that has taken over
            raise ConnectionResetError("the socket was closed")
        left = (max(deadline, self._grace_until) if deadline else 0.0) - clock.monotonic()
        is_ready = wait(self.control.fileno(), max(0.0, min(left, _LOOK_S)))
        before, self._looked = self._looked, clock.monotonic()
        if is_ready:
            return
        if deadline and self._looked - before > _STOPPED_S:
            self._grace_until = self._looked + ANSWER_S
            return
        if left <= 0:
            self.is_late = True
            raise LateAnswerError
        if interrupt_waits():
            raise LateAnswerError

    def _receive_some(self) -> None:
        data = self.control.recv(1 << 16, socket.MSG_DONTWAIT)
        if not data:
            raise ConnectionResetError("the pump is gone")
        self._received += data

    def _next_answer(self) -> None:
        line, self._received = self._received.split(b"\n", 1)
        self.is_late = False
        answer: Answer = json.loads(line)
        number = answer["reply"]
        if number in self._answers:  # else: to a question that was interrupted
            self._answers[number] = answer
        taker = self._takers.pop(number, None)
        if taker is not None:
            taker(answer)


def _duplicates(fds: Sequence[int]) -> list[int]:
    made: list[int] = []
    try:
        for fd in fds:
            made.append(duplicate(fd))
    except OSError:
        for fd in made:
            os.close(fd)
        raise
    return made


def check_answer(answer: Answer) -> None:
    """Raise `OSError` if a pump answers that it could not do what was asked."""
    if "error" in answer:
        raise OSError(errno.EIO, f"the drain failed: {answer['error']}")
