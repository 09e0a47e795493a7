"""The pump: the loop that empties pipes into recordings.

The helper process runs it (`ipyfdcapture.drain.__main__`), or a thread of the kernel; the loop is
the same. It uses the standard library and the lower rooms alone, so that the helper starts in
milliseconds.

Over its control socket the pump takes requests, one JSON object a line, descriptors attached
(see `Pump` for each). A request with a ``"reply"`` number gets one JSON line with that number.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from ..recording.files import mark_crashed, move_recording, remove_tree
from ..recording.writer import CHUNK_BYTES, RecordingWriter
from ..system.pipes import capacity, waiting_bytes
from ..system.polling import at_end, is_writable, wait_until_writable
from .pace import Pace
from .requests import Requests

#: How long a writer is let run on before its pipe is read: it saves a context switch for each
#: line (1 M raw writes take 0.33 s with it, 0.50 s without).
COALESCE_S = 0.0005
#: Written at once to an original descriptor once poll() says it takes something (PIPE_BUF).
FORWARD_BYTES = 4096

#: select() takes the descriptors below this alone (FD_SETSIZE).
_SELECTABLE_FDS = 1024


class _Pipe:
    """One pipe that is being emptied: its read end, where it goes, and its source."""

    def __init__(self, fd: int, recording: _Recording, source: int, original: int | None) -> None:
        self.fd = fd
        self.recording = recording
        self.source = source
        self.original = original  # where bytes go once nobody keeps them any more

    def close(self) -> None:
        os.close(self.fd)
        if self.original is not None:
            os.close(self.original)


class _Recording:
    """What the pump knows of one recording: its writer and its open pipes, by source."""

    def __init__(self, writer: RecordingWriter, crash_dir: str | None) -> None:
        self.writer: RecordingWriter | None = writer
        self.crash_dir = crash_dir
        self.pipes: dict[int, _Pipe] = {}
        self.taken: set[int] = set()  # the sources whose pipes it has or had
        self.active = True  # until the cell that it belongs to has ended


class Pump:
    """Empties the pipes it is handed until its owner is gone and the last writer has closed.

    Requests (``id`` numbers a recording):

    ``spool``    ``path``: a directory to remove once the owner is gone. Descriptor: the lock in
                 it that tells others that it is in use.
    ``record``   ``id``, ``path``, ``max_bytes``, ``stopped``: begin a recording, or go on with it.
                 ``crash_dir``: where it goes if the owner crashes meanwhile (null: nowhere).
                 Descriptors: data, index, and both ends of the transit if there is one.
    ``add``      ``id``, ``sources``, ``originals``: empty these pipes into it. Descriptors: for
                 each source the read end, then its original descriptor if so listed.
    ``confirm``  ``id``. Answer: ``taken``, the sources whose pipes are or were emptied (null: the
                 recording could not be begun); ``room``, how many descriptors more can be taken
                 for sure.
    ``sync``     ``id``, ``stopped``: move everything that was in the pipes when the request
                 came. Answer: ``dropped``, ``dropped_why``, ``open`` (sources whose writers
                 live). Releases it if it has stopped and none lives.
    ``release``  ``id``: keep nothing more of it. A writer that lives on is passed through to
                 its original descriptor.
    ``bye``      the owner ends in peace: no crash to keep.
    """

    def __init__(
        self,
        control: socket.socket,
        is_ours: Callable[[], bool] = lambda: True,
        owner: int | None = None,
    ) -> None:
        self._control: socket.socket | None = control
        #: Whether nobody else has closed its descriptor, as only those can who share our process.
        self._is_ours = is_ours
        self._owner = owner
        self._owners_program = _program_of(owner)
        self._control_fd = control.fileno()
        self._recordings: dict[int, _Recording] = {}
        self._pipes: dict[int, _Pipe] = {}
        self._blocked: dict[int, _Pipe] = {}  # by the original descriptor they wait for
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._requests = Requests(control)
        self._peaceful = False
        self._spools: dict[str, int] = {}  # by path: the lock that says they are in use
        self._pace = Pace()

    # -- the loop ---------------------------------------------------------------------------

    def run(self) -> None:
        """Work until the control socket is closed and no writer is left."""
        try:
            while self._control is not None or self._pipes:
                self._turn()
        finally:
            self.close()

    @property
    def is_emptying(self) -> bool:
        """Whether a writer lives."""
        return bool(self._pipes)

    def close(self) -> None:
        """Let go of everything, whatever is in the pipes."""
        for pipe in list(self._pipes.values()):
            self._forget_pipe(pipe)
        for number in list(self._recordings):
            self._release(number)
        self._let_go_of_spools()
        if self._control is not None:
            self._control.close()

    def _let_go_of_spools(self) -> None:
        while self._spools:
            os.close(self._spools.popitem()[1])

    def _turn(self) -> None:
        ready = self._ready_fds(None)
        if self._control is not None and not self._is_ours():
            self._forget_all()
            return
        if self._pace.calls_for_nap() and self._control_fd not in ready:
            self._nap()
            # What had something before the nap was written to first.
            ready = list(dict.fromkeys(ready + self._ready_fds(0)))
        if self._control_fd in ready:
            # First: once the owner is gone, what comes belongs elsewhere.
            self._answer_requests()
        moved = 0
        for fd in ready:
            if fd in self._pipes:
                moved = max(moved, self._empty(self._pipes[fd]))
            elif fd in self._blocked:
                self._unblock(fd)
        self._pace.note(moved)

    def _forget_all(self) -> None:
        """Somebody has closed all descriptors: their numbers are others' now."""
        self._control = None
        for numbered in (self._recordings, self._pipes, self._blocked, self._spools):
            numbered.clear()

    def _nap(self) -> None:
        """Let writers run on."""
        if 0 <= self._control_fd < _SELECTABLE_FDS:
            # A request, such as the end of a capture, ends the nap. Not poll: it counts in ms.
            select.select([self._control_fd], [], [], COALESCE_S)
        else:
            time.sleep(COALESCE_S)

    def _ready_fds(self, timeout_ms: int | None) -> list[int]:
        return [fd for fd, _ in self._poll.poll(timeout_ms)]

    def _empty(self, pipe: _Pipe) -> int:
        """Move one chunk; forget the pipe at its end. Returns the bytes moved."""
        writer = pipe.recording.writer
        moved = writer.take(pipe.fd, pipe.source) if writer else self._pass_through(pipe)
        if moved == 0:
            self._forget_pipe(pipe)
        return moved or 0

    def _pass_through(self, pipe: _Pipe) -> int | None:
        """Hand bytes that nobody keeps to the descriptor they would have gone to.

        If its reader is slow, the writer waits for it, as it would have without us; the other
        pipes do not.
        """
        original = pipe.original
        if original is not None and not is_writable(original):
            self._poll.unregister(pipe.fd)
            self._poll.register(original, select.POLLOUT)
            self._blocked[original] = pipe
            return None
        try:
            chunk = os.read(pipe.fd, FORWARD_BYTES if original is not None else CHUNK_BYTES)
        except BlockingIOError:
            return None
        moved = len(chunk)
        try:
            while chunk and original is not None:
                try:
                    chunk = chunk[os.write(original, chunk) :]
                except BlockingIOError:
                    wait_until_writable(original)
        except OSError:  # nobody reads there any more
            os.close(pipe.original)  # type: ignore[arg-type]
            pipe.original = None
        return moved

    def _unblock(self, original: int) -> None:
        pipe = self._blocked.pop(original)
        self._poll.unregister(original)
        self._poll.register(pipe.fd, select.POLLIN)

    def _forget_pipe(self, pipe: _Pipe) -> None:
        if pipe.original in self._blocked:
            self._unblock(pipe.original)
        self._poll.unregister(pipe.fd)
        del self._pipes[pipe.fd]
        pipe.recording.pipes.pop(pipe.source, None)
        pipe.close()

    # -- requests ---------------------------------------------------------------------------

    def _answer_requests(self) -> None:
        assert self._control is not None
        try:
            for request, fds in self._requests.read():
                answer = self._handle(request, fds)
                if "reply" in request:
                    answer["reply"] = request["reply"]
                    self._control.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            self._requests.closed = True
        if self._requests.closed:
            self._owner_gone()

    def _handle(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        try:
            handler = getattr(self, f"_do_{request['do']}")
            answer: dict[str, Any] = handler(request, fds)
        except Exception as error:
            # One recording that cannot be served must not end the others.
            for fd in fds:
                with contextlib.suppress(OSError):
                    os.close(fd)
            return {"error": str(error) or type(error).__name__}
        return answer

    def _do_spool(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        self._spools[request["path"]] = fds[0]
        return {}

    def _do_record(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        if len(fds) < request["fds"]:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        data, index, *transit = fds
        writer = RecordingWriter(
            request["path"],
            data,
            index,
            request["max_bytes"],
            (transit[0], transit[1]) if transit else None,
        )
        recording = _Recording(writer, request["crash_dir"])
        recording.active = not request["stopped"]
        self._recordings[request["id"]] = recording
        return {}

    def _do_add(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        recording = self._recordings[request["id"]]
        if len(fds) < request["fds"]:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        given = iter(fds)
        for source in request["sources"]:
            read_end = next(given)
            original = next(given) if source in request["originals"] else None
            os.set_blocking(read_end, False)
            pipe = _Pipe(read_end, recording, source, original)
            recording.pipes[source] = self._pipes[read_end] = pipe
            recording.taken.add(source)
            self._poll.register(read_end, select.POLLIN)
            self._pace.expect(capacity(read_end))
        return {}

    def _do_confirm(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        recording = self._recordings.get(request["id"])
        return {"taken": recording and list(recording.taken), "room": _room()}

    def _do_sync(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        recording = self._recordings[request["id"]]
        if request["stopped"]:
            recording.active = False
        self._empty_now(recording)
        writer = recording.writer
        assert writer is not None
        if request["stopped"] and not recording.pipes:
            self._release(request["id"])
        return {
            "dropped": writer.dropped,
            "dropped_why": writer.dropped_why,
            "open": list(recording.pipes),
        }

    def _do_release(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        self._release(request["id"])
        return {}

    def _do_bye(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        self._peaceful = True
        return {}

    def _empty_now(self, recording: _Recording) -> None:
        """Move what is in the recording's pipes at this moment, and no more: a writer that
        never pauses must not keep the asker waiting."""
        for pipe in list(recording.pipes.values()):
            left = waiting_bytes(pipe.fd)
            while left > 0 and pipe.source in recording.pipes:
                left -= self._empty(pipe) or left
            if pipe.source in recording.pipes and at_end(pipe.fd):
                self._forget_pipe(pipe)

    def _release(self, number: int) -> None:
        recording = self._recordings.pop(number, None)
        if recording is not None and recording.writer is not None:
            recording.writer.close()
            recording.writer = None

    # -- the end of the owner -----------------------------------------------------------------

    def _owner_gone(self) -> None:
        assert self._control is not None
        self._poll.unregister(self._control)
        self._control.close()
        self._control = None
        self._control_fd = -1
        # One that closed all its descriptors, and no more than that, still reads its recordings.
        is_over = not self._owners_program or self._owners_program != _program_of(self._owner)
        spools = set(self._spools)
        for number, recording in list(self._recordings.items()):
            if recording.active and not self._peaceful:
                self._empty_now(recording)
                if is_over:
                    spools -= self._keep_crash(recording)
            self._release(number)
        if is_over:
            for path in spools:
                remove_tree(path)
        else:
            self._let_go_of_spools()

    def _keep_crash(self, recording: _Recording) -> set[str]:
        """Mark the recording as from a crash and move it to where the next kernel looks.

        If it cannot be had there, it stays where it is, for the next kernel to try. Returns the
        spools to leave alone for that.
        """
        writer = recording.writer
        if recording.crash_dir is None or writer is None:
            return set()
        try:
            mark_crashed(writer.path, time.time_ns())
        except FileNotFoundError:  # it has just ended in peace
            return set()
        except OSError:
            pass  # the disk is full: it is known to have crashed since it has not ended
        try:
            move_recording(writer.path, recording.crash_dir)
        except OSError:
            return {os.path.dirname(writer.path)}
        return set()


def _program_of(process: int | None) -> bytes:
    """Return what tells a run of a program from any other; nothing if it ends or cannot be told.

    On Linux, where the system put what it told the program at its start, other for each.
    """
    try:
        with open(f"/proc/{process}/auxv", "rb") as told:
            return told.read()
    except OSError:
        return b""


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
