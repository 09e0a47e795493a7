"""A worker's side: its output is captured for as long as somebody wants it, and can be asked for.

One capture serves all clients of a worker. It ends when the last has closed its log, or has not
been heard of for `LEASE_S`. Answers keep no state that a client relies on: it says from which
position it wants to read, and may ask again.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..capture.flushing import flush_all
from ..capture.handle import Capture
from ..capture.options import CaptureOptions
from ..capture.session import CaptureSession
from ..live.target import TargetContext
from ..live.targets import LiveTarget
from ..live.terminal import TerminalStream
from ..log.captured import Captured
from ..output.late import open_late_output
from ..recording.recording import Recording
from ..recording.tail_reader import RecordingTail
from ..system.forking import Stage, at_fork
from . import leftovers, queries
from .host import host_id, standard_files
from .protocol import MAX_READ_BYTES, VERSION, Answer, Request
from .summary import RunningSummary

#: A client that has not asked for so long is gone: a laptop that slept through the night comes
#: back to a worker that wrote to its own log meanwhile.
LEASE_S = 3600.0
#: So many parts (tasks) are remembered.
_MOST_PARTS = 100_000


class ServedRecording:
    """One recording that clients can ask for.

    Parameters
    ----------
    captured
        The log of it.
    incarnation
        What tells it from all others.
    kept
        Where it is once this process has ended.
    clock
        Returns the time, in ns since the epoch.
    """

    def __init__(
        self,
        captured: Captured,
        incarnation: str,
        kept: str,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._clock = clock
        self.captured = captured
        self.incarnation = incarnation
        self.kept = kept
        self.recording: Recording = captured.recording
        self._summary = RunningSummary(captured)
        #: A reader for each client, where that stopped reading: an index is read once.
        self._tails: dict[str, RecordingTail] = {}
        self._lock = threading.Lock()

    def mark(self) -> Answer:
        """Return how far it goes: what was written before ``now`` ends at ``end`` or before."""
        now = self._clock()
        state = self.recording.update()
        with self._lock:
            end = self._tail("", None).end()
            return {
                "now": now,
                "incarnation": self.incarnation,
                "path": self.recording.path,
                "kept": self.kept,
                "end": end,
                "sources": list(self.recording.sources),
                "started": self.recording.metadata.started,
                "dropped": self.recording.dropped,
                "dropped_why": self.recording.dropped_why,
                "over": not state.writing and self.recording.metadata.ended is not None,
                "summary": self._summary.update(end),
            }

    def end(self) -> int:
        """Return where it ends, with all that is in the pipes."""
        self.recording.update()
        with self._lock:
            return self._tail("", None).end()

    def read(self, session: str, start: int, stop: int) -> Answer:
        """Return what lies from ``start`` on, up to ``stop`` or less."""
        with self._lock:
            limit = max(0, min(stop - start, MAX_READ_BYTES))
            return leftovers.read_chunks(self._tail(session, start), limit)

    def _tail(self, session: str, start: int | None) -> RecordingTail:
        tail = self._tails.get(session)
        if tail is None or (start is not None and tail.position != start):
            if tail is not None:
                tail.close()
            tail = self._tails[session] = RecordingTail(self.recording, start or 0)
        return tail

    def forget(self, session: str) -> None:
        """One client wants nothing more."""
        with self._lock:
            tail = self._tails.pop(session, None)
            if tail is not None:
                tail.close()

    def close(self) -> None:
        """Close the files that were opened to read it."""
        with self._lock:
            self._summary.close()
            while self._tails:
                self._tails.popitem()[1].close()


@dataclass
class _Client:
    """Somebody who wants this worker's output."""

    options: dict[str, Any]
    heard: float = field(default_factory=time.monotonic)


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
        #: From where to where each part of the recording goes.
        self._parts: dict[str, list[int]] = {}

    # -- from the first client to the last --------------------------------------------------------

    def begin(self, session: str, name: str, options: dict[str, Any]) -> None:
        """Capture this process's output for one more client.

        Parameters
        ----------
        session
            The client's log.
        name
            What this worker is called.
        options
            ``max_bytes``, ``spool_dir``, and ``shown``: what the client shows by itself, as a
            `host_id` and the files that its standard output leads to.

        Raises
        ------
        CaptureError
            If the output cannot be captured. It goes where it went before.
        """
        with self._lock:
            self._name = name
            self._clients[session] = _Client(options)
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
        kept = leftovers.directory(spool_dir, incarnation)
        is_shown = _is_shown(options.get("shown"))
        capture = Capture(
            CaptureSession(
                CaptureOptions(
                    descriptors=(1, 2),
                    live=() if is_shown else (LiveTarget("its own log", _own_log),),
                    max_bytes=options.get("max_bytes"),
                    spool_dir=spool_dir,
                    crash_dir=kept,
                )
            )
        )
        captured = capture.start()
        self._capture = capture
        self._own = ServedRecording(captured, incarnation, kept)
        self._served[incarnation] = self._own

    def end(self, session: str) -> None:
        """One client has what it wants. After the last, nothing is left here."""
        with self._lock:
            self._clients.pop(session, None)
            for served in self._served.values():
                served.forget(session)
            if not self._clients:
                self._stop(keep=False)

    def end_all(self) -> None:
        """This worker ends: leave what it has recorded to whoever comes for it."""
        with self._lock:
            if self._owner == os.getpid():
                self._stop(keep=bool(self._clients))
            self._clients.clear()

    def reset_after_fork(self) -> None:
        """Forget all: it is the parent's."""
        self.__init__()  # type: ignore[misc]

    def _stop(self, keep: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.stop()
        self._own = None
        while self._served:
            _, served = self._served.popitem()
            served.close()
            try:
                if keep:
                    leftovers.keep(served.recording, served.kept)
                    continue
            except OSError:
                pass  # no room: it is lost with this process
            served.captured.close()

    def _plan_look(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(LEASE_S / 2, self._end_leases)
            self._timer.daemon = True
            self._timer.start()

    def _end_leases(self) -> None:
        """End for clients that have not been heard of."""
        with self._lock:
            self._timer = None
            oldest = time.monotonic() - LEASE_S
            for session, client in list(self._clients.items()):
                if client.heard < oldest:
                    self.end(session)
            if self._clients:
                self._plan_look()

    # -- more than the worker's own recording ---------------------------------------------------

    def serve(self, captured: Captured) -> str:
        """Have clients able to ask for one more log; return its incarnation."""
        with self._lock:
            assert self._own is not None
            base = os.path.dirname(os.path.dirname(self._own.kept))
            incarnation = uuid.uuid4().hex
            kept = leftovers.directory(base, incarnation)
            self._served[incarnation] = ServedRecording(captured, incarnation, kept)
            return incarnation

    @property
    def is_wanted(self) -> bool:
        """Whether anybody captures this process."""
        return self._own is not None

    def begin_part(self, key: str) -> None:
        """What is written from now on, up to `end_part`, is found by a word."""
        position = self._position()
        with self._lock:
            self._parts.pop(key, None)  # it is run again: the newest counts
            self._parts[key] = [position, -1]
            while len(self._parts) > _MOST_PARTS:
                self._parts.pop(next(iter(self._parts)))

    def end_part(self, key: str) -> None:
        """The part ends here."""
        position = self._position()
        with self._lock:
            if key in self._parts:
                self._parts[key][1] = position

    def _position(self) -> int:
        """Return where the recording ends, with all that was written by now."""
        flush_all()
        own = self._own
        return 0 if own is None else own.end()

    def _part(self, key: str) -> Answer:
        with self._lock:
            if key not in self._parts or self._own is None:
                return {}
            start, stop = self._parts[key]
            if stop < 0:  # it still runs, or has just ended
                stop = self._own.end()
            return {
                "incarnation": self._own.incarnation,
                "start": start,
                "stop": stop,
                "sources": list(self._own.recording.sources),
            }

    # -- answers ----------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        """Answer one question. What goes wrong is an answer too: ``error``, in one line."""
        try:
            return self._answer(request)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _answer(self, request: Request) -> Answer:
        if request.get("version") != VERSION:
            return {"error": _other_version(request.get("version"))}
        todo, session = request["do"], request["session"]
        if todo == "left":
            what = (request["path"], request["kept"], request["pid"], request["start"])
            return leftovers.read_left(*what, request["limit"])
        if todo == "remove":
            leftovers.remove(request["kept"])
            return {}
        if todo == "end":
            self.end(session)
            return {}
        client = self._clients.get(session)
        if client is None:
            return {"error": "unknown", "host": host_id()}
        client.heard = time.monotonic()
        if todo == "mark":
            with self._lock:
                served = list(self._served.values())
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
            return one.read(session, request["start"], request["stop"])
        if todo == "query":
            return queries.answer(one.captured, request)
        raise ValueError(f"no such request: {todo!r}")


def _own_log(context: TargetContext) -> TerminalStream:
    """Return what writes where this process's output goes without us.

    Past ipykernel's pipe, in an engine that has one: that sends all to the client a second time.
    """
    return TerminalStream(open_late_output(1), open_late_output(2))


def _is_shown(shown: Any) -> bool:
    """Tell whether the client shows what this process writes: both lead to one place."""
    if not shown or shown["host"] != host_id():
        return False
    return all(file in shown["files"] for file in standard_files())


def _other_version(number: Any) -> str:
    return f"the client speaks version {number} of the protocol, this worker version {VERSION}"


#: This process's.
service = Service()


@atexit.register
def _end_all() -> None:
    service.end_all()


#: A forked child writes into its parent's pipes; the recording is the parent's.
at_fork(Stage.STATE, in_child=service.reset_after_fork)
