"""Talking to a pump: requests with descriptors out, answers in.

Any thread may talk, one at a time (the drain's lock sees to that). But a signal's handler may ask
something while its own thread waits for an answer. So requests are queued whole, and answers are
kept for whom they are for.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import socket
from collections.abc import Callable, Sequence
from typing import Any

from ..system.descriptors import Socket
from ..system.interrupts import deferred_interrupts
from ..system.polling import wait_until_readable
from .protocol import MOST_FDS, Request, encode

#: How a pump that is gone shows; anything else is a fault of the request.
GONE = (BrokenPipeError, ConnectionResetError)

#: How long to wait for an answer before looking whether a signal's handler has taken it.
_LOOK_S = 1.0

Answer = dict[str, Any]


class Channel:
    """One conversation with one pump, over ``control``."""

    def __init__(self, control: Socket) -> None:
        self.control = control
        #: So many more descriptors the pump can take for sure.
        self.room = 0
        self._numbers = itertools.count(1)
        self._unsent: list[tuple[bytes, Sequence[int]]] = []
        self._received = b""
        #: By number: the answers that are waited for. None: not there yet.
        self._answers: dict[int, Answer | None] = {}
        #: By number: what takes an answer that is not waited for.
        self._takers: dict[int, Callable[[Answer], object]] = {}

    def enqueue(self, request: Request, fds: Sequence[int] = ()) -> None:
        """Have a request sent with what follows."""
        request["fds"] = len(fds)
        self.room -= len(fds)
        self._unsent.append((encode(request), fds))

    def enqueue_question(self, request: Request, taker: Callable[[Answer], object]) -> None:
        """Have a request sent with what follows, and its answer given to ``taker`` once taken."""
        number = request["reply"] = next(self._numbers)
        self._takers[number] = taker
        self.enqueue(request)

    def discard(self) -> None:
        """Send nothing of what is queued."""
        self._unsent.clear()

    def send(self) -> None:
        """Send what is queued. Raises one of `GONE` if the pump is."""
        rest: list[tuple[bytes, Sequence[int]]] = []
        with deferred_interrupts():
            unsent, self._unsent = self._unsent, rest
            while unsent:
                self._send_some(unsent)

    def _send_some(self, unsent: list[tuple[bytes, Sequence[int]]]) -> None:
        """Send as many requests at once as their descriptors allow."""
        lines, fds = b"", list[int]()
        while unsent and len(fds) + len(unsent[0][1]) <= MOST_FDS:
            line, some = unsent.pop(0)
            lines += line
            fds += some
        if not self.control.is_ours():
            raise ConnectionResetError("the socket was closed")
        control = self.control
        sent = socket.send_fds(control, [lines], fds) if fds else control.send(lines)
        if sent < len(lines):
            control.sendall(lines[sent:])

    def ask(self, request: Request) -> Answer:
        """Send what is queued and a question; return its answer.

        Raises one of `GONE` if the pump is, and `OSError` if it could not do what was asked.
        """
        number = request["reply"] = next(self._numbers)
        self._answers[number] = None
        try:
            self.enqueue(request)
            self.send()
            while (answer := self._answers[number]) is None:
                self.take_answer()
        finally:
            del self._answers[number]
        if "error" in answer:
            raise OSError(errno.EIO, f"the drain failed: {answer['error']}")
        return answer

    def take_answer(self) -> None:
        """Take the next answer, for whomever it is; wait for some of it if it has not come."""
        if b"\n" not in self._received:
            self._await_some()  # amid which a signal's handler may take the answer
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

    def _await_some(self) -> None:
        if not self.control.is_ours():  # closed by a signal's handler that has taken over
            raise ConnectionResetError("the socket was closed")
        wait_until_readable(self.control.fileno(), _LOOK_S)

    def _receive_some(self) -> None:
        data = self.control.recv(1 << 16, socket.MSG_DONTWAIT)
        if not data:
            raise ConnectionResetError("the pump is gone")
        self._received += data

    def _next_answer(self) -> None:
        line, self._received = self._received.split(b"\n", 1)
        answer: Answer = json.loads(line)
        number = answer["reply"]
        if number in self._answers:  # else: to a question that was interrupted
            self._answers[number] = answer
        taker = self._takers.pop(number, None)
        if taker is not None:
            taker(answer)
