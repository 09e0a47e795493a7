"""The pump: what empties pipes into recordings, on behalf of one owner.

The helper process runs it (`ipyfdcapture.drain.__main__`), or a thread of the kernel; the loop is
the same. It uses the standard library and the lower rooms alone, so that the helper starts in
milliseconds. What it is asked over its control socket: `ipyfdcapture.drain.protocol`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Mapping

from ..recording.files import hold_lock, mark_crashed, move_recording, remove_tree
from ..recording.writer import RecordingWriter
from ..system import clock
from ..system.descriptors import NO_SIGNAL
from .emptying import Copy, Emptier, PumpedPipe, PumpedRecording
from .owner import open_owner
from .protocol import (
    VERSION,
    AddRequest,
    Confirmed,
    Copied,
    CopyRequest,
    Hello,
    RecordRequest,
    Request,
    Synced,
    encode,
)
from .requests import Requests


class Pump:
    """Empties the pipes it is handed until its owner is gone and the last writer has closed.

    Parameters
    ----------
    control
        Its end of the control socket.
    is_ours
        Tells whether nobody else has closed that: only those can who share our process.
    owner
        The process that it serves, if that is another one.
    """

    def __init__(
        self,
        control: socket.socket,
        is_ours: Callable[[], bool] = lambda: True,
        owner: int | None = None,
    ) -> None:
        self._control: socket.socket | None = control
        self._control_fd = control.fileno()
        self._is_ours = is_ours
        self._owner = open_owner(owner)
        self._is_peaceful = False
        self._requests = Requests(control)
        self._emptier = Emptier(self._control_fd)
        if self._owner.end is not None:
            self._emptier.watch(self._owner.end)
        self._recordings: dict[int, PumpedRecording] = {}
        self._spools: dict[str, int] = {}  # by path: the lock that says they are in use

    # -- the loop ---------------------------------------------------------------------------

    def run(self) -> None:
        """Work until the control socket is closed and no writer is left."""
        try:
            while self._control is not None or self._emptier:
                self._turn()
            self._emptier.await_relays()
        finally:
            self.close()

    @property
    def is_emptying(self) -> bool:
        """Whether a writer lives."""
        return bool(self._emptier) or self._emptier.is_relaying

    def close(self) -> None:
        """Close everything, whatever is in the pipes."""
        self._emptier.close()
        for number in list(self._recordings):
            self._release(number)
        self._close_spools()
        self._owner.close()
        if self._control is not None:
            self._control.close()

    def _close_spools(self) -> None:
        while self._spools:
            os.close(self._spools.popitem()[1])

    def _turn(self) -> None:
        ready = self._emptier.let_writers_run(self._emptier.wait())
        if self._control is not None and not self._is_ours():
            self._forget_all()
        elif self._control_fd in ready:
            # First: once the owner is gone, what comes belongs elsewhere. And nothing else on this
            # turn: one that has its answer may go on to close all descriptors.
            self._answer_requests()
        elif self._control is not None and self._owner.end in ready:
            self._owner_gone()
        else:
            self._emptier.empty(ready)

    def _forget_all(self) -> None:
        """Somebody has closed all descriptors: their numbers are others' now."""
        self._control = None
        self._emptier.forget()
        self._recordings.clear()
        self._spools.clear()

    # -- requests ---------------------------------------------------------------------------

    def _answer_requests(self) -> None:
        assert self._control is not None
        try:
            for request, fds in self._requests.read():
                answer = self._serve(request, fds)
                if "reply" in request:
                    reply = encode({**answer, "reply": request["reply"]})
                    # An owner that was killed: what it had asked for after that is done as well.
                    with contextlib.suppress(ConnectionError):
                        self._control.sendall(reply, NO_SIGNAL)
        except OSError:
            self._requests.closed = True
        if self._requests.closed:
            self._owner_gone()

    def _serve(self, request: Request, fds: list[int]) -> Mapping[str, object]:
        try:
            if len(fds) < request["fds"]:  # the system gave us no more
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return self._do(request, fds)
        except Exception as error:
            # One recording that cannot be served must not end the others.
            for fd in fds:
                with contextlib.suppress(OSError):
                    os.close(fd)
            return {"error": str(error) or type(error).__name__}

    def _do(self, request: Request, fds: list[int]) -> Mapping[str, object]:
        """Do what is asked; return the answer. Takes over the descriptors unless it raises."""
        if request["do"] == "hello":
            return Hello(version=VERSION)
        if request["do"] == "spool":
            self._spools[request["path"]] = fds[0]
            with contextlib.suppress(BlockingIOError):
                hold_lock(fds[0])
        elif request["do"] == "record":
            self._record(request, fds)
        elif request["do"] == "add":
            self._add(request, fds)
        elif request["do"] == "wake":
            self._recordings[request["id"]].wakers.append((fds[0], fds[1]))
        elif request["do"] == "copy":
            return self._copy(request)
        elif request["do"] == "forget":
            self._forget(request["id"])
        elif request["do"] == "confirm":
            return self._confirm(request["id"])
        elif request["do"] == "sync":
            return self._sync(request["id"], request["stopped"], request["sources"])
        elif request["do"] == "release":
            self._release(request["id"])
        elif request["do"] == "bye":
            self._is_peaceful = True
        else:
            raise ValueError(f"no such request: {request}")
        return {}

    def _record(self, request: RecordRequest, fds: list[int]) -> None:
        data, index, *transit = fds
        writer = RecordingWriter(
            request["path"],
            data,
            index,
            request["max_bytes"],
            (transit[0], transit[1]) if transit else None,
        )
        recording = PumpedRecording(writer, request["crash_dir"])
        recording.active = not request["stopped"]
        self._recordings[request["id"]] = recording

    def _add(self, request: AddRequest, fds: list[int]) -> None:
        recording = self._recordings[request["id"]]
        given = iter(fds)
        for source in request["sources"]:
            read_end = next(given)
            original = next(given) if source in request["originals"] else None
            self._emptier.add(PumpedPipe(read_end, recording, source, original))

    def _confirm(self, number: int) -> Confirmed:
        recording = self._recordings.get(number)
        return {"taken": list(recording.taken) if recording else None, "room": _room()}

    def _sync(self, number: int, stopped: bool, sources: list[int]) -> Synced:
        recording = self._recordings.get(number)
        writer = recording.writer if recording is not None else None
        if recording is None or writer is None:
            return {
                "dropped": 0,
                "dropped_why": None,
                "open": [],
                "lacking": sources,
                "unknown": True,
                "spliced": False,
            }
        if stopped:
            recording.active = False
        self._empty_now(recording)
        if stopped:
            self._end_copies(recording)
        lacking = [source for source in sources if source not in recording.taken]
        if stopped and not recording.pipes and not lacking:
            self._release(number)
        return {
            "dropped": writer.dropped,
            "dropped_why": writer.dropped_why,
            "open": list(recording.pipes),
            "lacking": lacking,
            "unknown": False,
            "spliced": writer.has_spliced,
        }

    def _release(self, number: int) -> None:
        recording = self._recordings.get(number)
        if recording is None:
            return
        self._end_copies(recording)
        if recording.writer is not None:
            recording.writer.close()
            recording.writer = None
            recording.close_wakers()
        if not recording.pipes:  # else: a later capture may record what comes by them
            del self._recordings[number]

    def _empty_now(self, recording: PumpedRecording) -> None:
        self._emptier.empty_now(recording)
        for other in list(recording.copied):
            self._emptier.empty_now(other)

    # -- what processes write that earlier captures started ------------------------------------

    def _copy(self, request: CopyRequest) -> Copied:
        number = request["id"]
        target = self._recordings[number]
        gone = []
        for origin, source, its in request["copies"]:
            recording = self._recordings.get(origin)
            if recording is None or not self._is_open(recording):
                self._recordings.pop(origin, None)
                gone.append(origin)
                continue
            if request["since"] is not None:
                self._complete_copy(recording, source, target, its, request["since"])
            elif source in recording.pipes:
                self._emptier.begin_copy(recording.pipes[source])
            recording.begin_copy(source, Copy(number, target, its, request["shown"]))
        return {"gone": gone}

    def _is_open(self, recording: PumpedRecording) -> bool:
        return recording.writer is not None or self._emptier.has_writers(recording)

    def _complete_copy(
        self, recording: PumpedRecording, source: int, to: PumpedRecording, its: int, since: int
    ) -> None:
        if recording.writer is not None and to.writer is not None:
            recording.writer.complete_copy(source, to.writer, its, since)

    def _end_copies(self, recording: PumpedRecording) -> None:
        for other in list(recording.copied):
            other.end_copies(recording)

    def _forget(self, number: int) -> None:
        recording = self._recordings[number]
        for target in list(self._recordings.values()):
            recording.end_copies(target)
        self._emptier.let_go(recording)
        self._release(number)

    # -- the end of the owner -----------------------------------------------------------------

    def _owner_gone(self) -> None:
        assert self._control is not None
        self._requests.close()
        self._emptier.ignore_control()
        if self._owner.end is not None:
            self._emptier.unwatch(self._owner.end)
        self._control.close()
        self._control = None
        self._control_fd = -1
        # One that closed all its descriptors, and no more than that, still reads its recordings.
        is_over = self._owner.has_ended()
        spools = set(self._spools)
        for number, recording in list(self._recordings.items()):
            if recording.active and not self._is_peaceful:
                self._empty_now(recording)
                if is_over:
                    spools -= self._keep_crash(recording)
            self._release(number)
        if is_over:
            for path in spools:
                remove_tree(path)
        else:
            self._close_spools()

    def _keep_crash(self, recording: PumpedRecording) -> set[str]:
        """Mark the recording as from a crash and move it to where the next kernel looks.

        If it cannot be had there, it stays where it is, for the next kernel to try. Returns the
        spools to leave alone for that.
        """
        writer = recording.writer
        if recording.crash_dir is None or writer is None:
            return set()
        try:
            mark_crashed(writer.path, clock.time_ns())
        except FileNotFoundError:  # it has just ended in peace
            return set()
        except OSError:
            pass  # the disk is full: it is known to have crashed since it has not ended
        try:
            move_recording(writer.path, recording.crash_dir)
        except OSError:
            return {os.path.dirname(writer.path)}
        return set()


def _room() -> int:
    """Return how many descriptors can be opened for sure: half of what the limit leaves."""
    try:
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return (soft - len(os.listdir("/dev/fd"))) // 2
    except (ImportError, OSError, ValueError):
        return 0


def raise_descriptor_limit() -> None:
    """A helper for many captures wants more descriptors than a soft limit meant for a shell."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
