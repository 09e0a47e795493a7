"""A worker's side: its output is captured for as long as somebody wants it, and can be asked for.

One capture serves all clients of a worker. It ends when the last has closed its log. When none has
been heard for `LEASE_S`, it stops, and begins again once one of them asks: a client that was killed
leaves workers as they were, and one that was cut off finds all that was recorded. Answers keep no
state that a client relies on: it says from which position it wants to read, and may ask again.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..capture.flushing import flush_all
from ..capture.handle import Capture
from ..capture.options import CaptureOptions
from ..capture.session import CaptureSession
from ..live.target import TargetContext
from ..live.targets import LiveTarget
from ..live.terminal import TerminalStream
from ..output.late import open_late_output
from ..system import clock
from ..system.forking import Stage, at_fork
from . import leftovers, queries
from .host import host_id, is_pipe, standard_files
from .parts import Parts
from .protocol import VERSION, Answer, Request
from .served import ServedRecording

#: A client asks ten times a second. Without a word for so long, it was killed or is cut off.
LEASE_S = 120.0
#: A laptop that slept comes back within this time, or finds nothing.
RETURN_S = 3600.0
#: How often to look. A look counts once the questions that came before it were answered: a worker
#: that is too busy to hear its clients does not take them for silent.
LOOK_S = 15.0
#: Runs a function in the loop in which a worker hears questions.
RunWhereHeard = Callable[[Callable[[], None]], object]


def _run_here(function: Callable[[], None]) -> None:
    function()


@dataclass
class _Client:
    """Somebody who wants this worker's output."""

    options: dict[str, Any]
    #: The recordings that had ended before it came: those of clients that were silent.
    not_its_own: set[str]
    #: How many looks have passed since it was heard.
    unheard: int = 0

    def is_silent(self, limit_s: float) -> bool:
        """Tell whether it has not been heard for so long (s)."""
        return self.unheard * LOOK_S >= limit_s


class Service:
    """What a worker has for its clients. One for each process: `service`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._owner = os.getpid()
        self._name = ""
        self._clients: dict[str, _Client] = {}
        self._capture: Capture | None = None
        self._served: dict[str, ServedRecording] = {}
        self._own: ServedRecording | None = None
        self._timer: threading.Timer | None = None
        self._run_where_heard: RunWhereHeard = _run_here
        self._parts = Parts()
        #: What its parent has, in a process that was forked from one that is captured.
        self._parents: object = None

    # -- from the first client to the last --------------------------------------------------------

    def begin(
        self,
        session: str,
        name: str,
        options: dict[str, Any],
        run_where_heard: RunWhereHeard | None = None,
    ) -> None:
        """Capture this process's output for one more client.

        Parameters
        ----------
        session
            The client's log.
        name
            What this worker is called.
        options
            ``max_bytes``, ``spool_dir``, and ``client``: which process that is, the files that its
            standard output leads to, and whether it shows what comes (``is_live``).
        run_where_heard
            Runs a function in the loop that hears questions, after those that wait there.

        Raises
        ------
        CaptureError
            If the output cannot be captured. It goes where it went before.
        """
        with self._lock:
            self._name = name
            lapsed = {each.incarnation for each in self._served.values() if each.lapsed}
            self._clients[session] = _Client(options, lapsed)
            self._run_where_heard = run_where_heard or _run_here
            self._plan_look()
            if self._capture is None:
                try:
                    self._start(options)
                except BaseException:
                    self._clients.pop(session)
                    raise

    def _start(self, options: dict[str, Any]) -> None:
        spool_dir = options.get("spool_dir") or ""
        incarnation = uuid.uuid4().hex
        left_dir = leftovers.directory(spool_dir, incarnation)
        is_shown = _is_shown(options.get("client"))
        session = CaptureSession(
            CaptureOptions(
                descriptors=(1, 2),
                live=() if is_shown else (LiveTarget("its own log", _own_log),),
                max_bytes=options.get("max_bytes"),
                spool_dir=spool_dir,
                crash_dir=left_dir,
            )
        )
        capture = Capture(session)
        captured = capture.start()
        self._capture = capture
        self._own = ServedRecording(captured, incarnation, left_dir)
        self._served[incarnation] = self._own
        self._parts.record(self._own, session)

    def end(self, session: str) -> None:
        """One client has what it wants. After the last, nothing is left here."""
        with self._lock:
            self._clients.pop(session, None)
            for served in self._served.values():
                served.forget(session)
            self._end_if_unheard()

    def _end_if_unheard(self) -> None:
        if not self._clients:
            self._stop(keep=False)
        elif all(each.is_silent(LEASE_S) for each in self._clients.values()):
            self._pause()

    def end_all(self) -> None:
        """This worker ends: leave what it has recorded to whoever comes for it."""
        with self._lock:
            if self._owner == os.getpid():
                self._stop(keep=bool(self._clients))
            self._clients.clear()

    def reset_after_fork(self) -> None:
        """Begin anew in a child: all is the parent's."""
        # A capture that nobody holds ends, and what the child writes would go past the log.
        self._parts.reset_after_fork()
        parents = self._parents, self._capture, self._served
        self.__init__()  # type: ignore[misc]
        self._parents = parents

    def _stop(self, keep: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        capture, self._capture = self._capture, None
        if capture is not None:
            self._parts.stop()
            capture.stop()
        self._own = None
        self._parts.clear()
        while self._served:
            _, served = self._served.popitem()
            served.close()
            try:
                if keep:
                    leftovers.keep(served.recording, served.left_dir)
                    continue
            except OSError:
                pass  # no room: it is lost with this process
            served.captured.close()

    def _pause(self) -> None:
        """Stop the capture, and keep what it has recorded for a client that comes back."""
        capture, self._capture = self._capture, None
        own, self._own = self._own, None
        if capture is not None and own is not None:
            own.lapsed = clock.time_ns()
            self._parts.stop()
            capture.stop()

    def _plan_look(self) -> None:
        if self._timer is None:
            timer = self._timer = threading.Timer(LOOK_S, lambda: self._look_where_heard(timer))
            timer.daemon = True
            timer.start()

    def _look_where_heard(self, timer: threading.Timer) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: this process ends
            self._run_where_heard(lambda: self._look_if_due(timer))

    def _look_if_due(self, timer: threading.Timer) -> None:
        with self._lock:
            if self._timer is timer:  # else nobody is waited for, or another is due
                self._timer = None
                self.look()

    def look(self) -> None:
        """Count the clients that were not heard since the last look, and give up the silent."""
        with self._lock:
            for session, client in list(self._clients.items()):
                client.unheard += 1
                if client.is_silent(RETURN_S):
                    self.end(session)
            self._end_if_unheard()
            if self._clients:
                self._plan_look()

    def _hear(self, client: _Client) -> None:
        """A client has asked: capture again, if it had been given up."""
        client.unheard = 0
        if self._capture is None:
            with self._lock:
                if self._capture is None and self._clients:
                    self._start(client.options)

    # -- parts ------------------------------------------------------------------------------------

    @property
    def is_wanted(self) -> bool:
        """Whether anybody captures this process."""
        return self._own is not None

    def begin_part(self, key: str) -> None:
        """What is written from now on, up to `end_part`, is found by a word.

        So is what processes write later that are started meanwhile.
        """
        flush_all()
        with self._lock:
            if self._own is not None:
                self._parts.begin(key)

    def end_part(self, key: str) -> None:
        """The part ends here."""
        flush_all()
        with self._lock:
            self._parts.end(key)

    def _part(self, key: str) -> Answer:
        with self._lock:
            return self._parts.answer(key)

    # -- answers ----------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        """Answer one question. What goes wrong is an answer too: ``error``, in one line."""
        try:
            return self._answer(request)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _answer(self, request: Request) -> Answer:
        todo, session = request["do"], request["session"]
        if todo == "end":  # of any version: nothing is left behind
            self.end(session)
            return {}
        if request.get("version") != VERSION:
            return {"error": _other_version(request.get("version"))}
        if todo == "left":
            return leftovers.read_left(request)
        if todo == "remove":
            leftovers.remove(request["left_dir"])
            return {}
        client = self._clients.get(session)
        if client is None:
            return {"error": "unknown", "host": host_id()}
        self._hear(client)
        if todo == "mark":
            with self._lock:
                served = [
                    each
                    for incarnation, each in self._served.items()
                    if incarnation not in client.not_its_own
                ]
            return {
                "name": self._name,
                "host": host_id(),
                "pid": os.getpid(),
                "recordings": [each.mark() for each in served],
            }
        if todo == "part":
            return self._part(request["key"])
        one = self._served[request["incarnation"]]
        if todo == "read":
            return one.read(session, request["start"], request["stop"], request.get("sources"))
        if todo == "query":
            return queries.answer(one.captured, request)
        raise ValueError(f"no such request: {todo!r}")


def _own_log(context: TargetContext) -> TerminalStream:
    """Return what writes where this process's output goes without us.

    Past ipykernel's pipe, in an engine that has one: that sends all to the client a second time.
    """
    return TerminalStream(open_late_output(1), open_late_output(2))


def _is_shown(client: Any) -> bool:
    """Tell whether the client's user would see twice what this process writes."""
    if not client or client["host"] != host_id():
        return False
    if all(file in client["files"] for file in standard_files()):
        return bool(client["is_live"])
    # The client has started it amid a capture, which has a pipe to it still: as a worker, it is in
    # that capture's log, and in those of later ones, anyway.
    return os.getppid() == client["pid"] and is_pipe(1)


def _other_version(number: Any) -> str:
    return f"the client speaks version {number} of the protocol, this worker version {VERSION}"


#: This process's.
service = Service()


@atexit.register
def _end_all() -> None:
    service.end_all()


#: A forked child writes into its parent's pipes; the recording is the parent's.
at_fork(Stage.STATE, in_child=service.reset_after_fork)
