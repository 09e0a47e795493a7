"""The pump: the loop that empties pipes into recordings.

This file uses the standard library alone and imports nothing of the package, because the
helper process runs it by its path (``python -I -S -E pump.py FD OWNER``) to start in
milliseconds; OWNER is the process that it serves. The thread host calls `Pump.run` in a thread of
the kernel instead; the loop is the same.

A *recording*, as the pump writes it, is a pair of append-only files:

- ``NAME.data``: the bytes, in the order in which they were read;
- ``NAME.index``: one `ENTRY` for each chunk: when it was read (ns since the epoch), where it
  starts, and which source it came from. A chunk runs to the start of the next, the last one to
  the end of the data. An entry is written *before* its bytes, so every byte that reached the
  data file has a time and a source, however suddenly the pump died.

With ``max_bytes``, the data file holds the first half. What follows goes to two tail files,
``NAME.tail0`` and ``NAME.tail1``, written in turn: when one is full, the other is emptied and
written next. At any time the two hold at least the last half, in bounded space.

A disk that is full ends a recording: what comes is read and dropped. How much, and why, is kept
in the time of the index's last change, which takes no room (`dropped_bytes`).

Over its control socket the pump takes requests, one JSON object a line, descriptors attached
(see `Pump` for each). A request with a ``"reply"`` number gets one JSON line with that number.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import socket
import struct
import sys
import termios
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

#: Time (ns since the epoch), start of the chunk (bytes), number of its source.
ENTRY = struct.Struct("<QQQ")

#: Read at most this much of one pipe before looking at the others.
CHUNK_BYTES = 1 << 20
#: How long a writer is let run on before its pipe is read: it saves a context switch for each
#: line (1 M raw writes take 0.33 s with it, 0.50 s without).
COALESCE_S = 0.0005
#: That many wake-ups within that time mean that a writer writes bit by bit, and fast.
CROWD = 8
CROWD_S = 0.0004
#: A nap was worth it if this much came together, and too long if that much did.
NAP_BYTES = 4 << 10
FLOOD_BYTES = 512 << 10
#: A tail file is at least this long, so that a tiny limit does not mean tiny reads.
MIN_TAIL_BYTES = 1 << 20
#: An index longer than this is rewritten without the entries whose bytes are gone.
MAX_STALE_INDEX_BYTES = 1 << 20
#: Written at once to an original descriptor once poll() says it takes something (PIPE_BUF).
FORWARD_BYTES = 4096

#: select() takes the descriptors below this alone (FD_SETSIZE).
_SELECTABLE_FDS = 1024
#: Descriptors in one message at most (SCM_MAX_FD of Linux).
_MOST_FDS = 253
_INT = struct.Struct("i")
#: How the system says that it cannot splice these two.
_NO_SPLICE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
_RECEIVE_CLOSED_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


#: A time of a file's last change (ns since the epoch) below this is no time: it tells of bytes that
#: were dropped, their number times 256 plus the system's error number.
_NO_TIME_NS = 1 << 60  # 2006


def dropped_bytes(index: int | str) -> tuple[int, int]:
    """Return how many bytes were dropped for want of room, and the system's error number."""
    changed = os.stat(index).st_mtime_ns
    if changed >= _NO_TIME_NS or time.time_ns() < _NO_TIME_NS:  # on a machine without a clock
        return 0, 0
    count, number = divmod(changed, 256)
    return max(count, 1), number


def split_limit(max_bytes: int) -> tuple[int, int]:
    """Return how many bytes ``max_bytes`` leaves for the first part and for the last."""
    return max_bytes - max_bytes // 2, max_bytes // 2


def tail_file_bytes(max_bytes: int) -> int:
    """Return the size of each of the two tail files, in bytes."""
    return max(split_limit(max_bytes)[1], MIN_TAIL_BYTES)


class RecordingWriter:
    """Appends chunks to one recording, and resumes where another writer stopped.

    Its whole state can be read back from the files, which is how a second pump takes over from
    one that was killed.

    On Linux, bytes go through a pipe that the owner holds too, the ``transit``, and are never in
    the memory of the pump: from the captured pipe to the transit as whole pages, from there to
    the file. So a pump that is killed at any moment leaves each byte in one of the three; and the
    writer is not kept waiting while the file is written, as it is by a splice that leads
    straight from its pipe to a file.
    """

    def __init__(
        self,
        path: str,
        data_fd: int,
        index_fd: int,
        max_bytes: int | None,
        transit: tuple[int, int] | None = None,
    ) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.dropped, self._errno = dropped_bytes(index_fd)
        self._index_fd = index_fd
        self._files = {"data": data_fd}
        self._head = split_limit(max_bytes)[0] if max_bytes is not None else sys.maxsize
        self._tail = tail_file_bytes(max_bytes) if max_bytes is not None else 0
        self._transit = transit
        self._can_splice = transit is not None
        self._resume()
        if transit is not None:
            self._take_over(waiting_bytes(transit[0]))

    @property
    def dropped_why(self) -> str | None:
        """The system's reason for what was dropped."""
        return os.strerror(self._errno) if self._errno else None

    def _resume(self) -> None:
        index_size = os.fstat(self._index_fd).st_size
        self._index_end = index_size - index_size % ENTRY.size
        self._index_floor = self._index_end
        self.end = os.fstat(self._files["data"]).st_size
        if self.max_bytes is None or self.end < self._head or not self._index_end:
            return
        last = os.pread(self._index_fd, ENTRY.size, self._index_end - ENTRY.size)
        start = ENTRY.unpack(last)[1]
        if start >= self._head:
            number = (start - self._head) // self._tail
            with contextlib.suppress(OSError):
                size = os.fstat(self._tail_fd(number % 2)).st_size
                self.end = max(start, self._head + number * self._tail + size)

    def _take_over(self, left: int) -> None:
        """Store what a pump that was killed had in transit: it belongs to the last entry."""
        assert self._transit is not None
        if left and self.dropped:
            os.read(self._transit[0], left)  # it was about to be
        elif left:
            file, offset, _ = self._place()
            self.end += self._store(left, file, offset)

    def _tail_fd(self, which: int) -> int:
        name = f"tail{which}"
        if name not in self._files:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._files[name] = os.open(f"{self.path}.{name}", flags, 0o600)
        return self._files[name]

    def _place(self) -> tuple[int, int, int]:
        """Return the file that takes the next byte, the offset there, and the room left."""
        if self.end < self._head:
            return self._files["data"], self.end, self._head - self.end
        number, offset = divmod(self.end - self._head, self._tail)
        file = self._tail_fd(number % 2)
        if offset == 0 and number >= 2:
            os.ftruncate(file, 0)
            self._drop_stale_entries(self._head + (number - 1) * self._tail)
        return file, offset, self._tail - offset

    def take(self, pipe: int, source: int) -> int | None:
        """Move one chunk from ``pipe``.

        Returns the bytes moved, 0 at the end of the file, None if nothing is there at present.
        If the recording cannot grow, the bytes are read and dropped all the same: a full disk
        must not stop the writer. What was kept by then is whole; nothing is added to it later,
        across a hole that nobody could see.
        """
        if self.dropped:
            return self._take_and_drop(pipe)
        try:
            file, offset, room = self._place()
            self._write_entry(source)
            taken, stored = self._move(pipe, file, offset, min(room, CHUNK_BYTES))
        except BlockingIOError:
            return None
        except OSError as error:
            return self._take_and_drop(pipe, error)
        if stored:
            self._index_end += ENTRY.size
            self.end += stored
        return taken

    def _write_entry(self, source: int, time_ns: int | None = None) -> None:
        entry = ENTRY.pack(time_ns or time.time_ns(), self.end, source)
        if os.pwrite(self._index_fd, entry, self._index_end) != ENTRY.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _move(self, pipe: int, file: int, offset: int, room: int) -> tuple[int, int]:
        """Return how many bytes were taken, and how many of them stored."""
        if self._transit is not None and self._can_splice:
            try:
                taken = os.splice(pipe, self._transit[1], room, flags=os.SPLICE_F_NONBLOCK)
            except OSError as error:
                if error.errno not in _NO_SPLICE:
                    raise
                self._can_splice = False  # it is not a pipe
            else:
                return taken, self._store(taken, file, offset)
        chunk = os.read(pipe, room)
        return len(chunk), self._write(chunk, file, offset)

    def _store(self, count: int, file: int, offset: int) -> int:
        """Move so many bytes from the transit to a file; return how many could be stored."""
        assert self._transit is not None
        stored = 0
        while stored < count and self._can_splice:
            try:
                stored += os.splice(
                    self._transit[0], file, count - stored, offset_dst=offset + stored
                )
            except OSError as error:
                self._can_splice = error.errno not in _NO_SPLICE  # not on this file system
                if self._can_splice:
                    self._drop(count - stored, error)  # noted before it is done, as below
                    os.read(self._transit[0], count - stored)
                    return stored
        if stored < count:
            stored += self._write(os.read(self._transit[0], count - stored), file, offset + stored)
        return stored

    def _write(self, chunk: bytes, file: int, offset: int) -> int:
        written = 0
        while written < len(chunk):
            try:
                written += os.pwrite(file, chunk[written:], offset + written)
            except OSError as error:
                self._drop(len(chunk) - written, error)
                break
        return written

    def append(self, chunk: bytes | memoryview, source: int, time_ns: int | None = None) -> None:
        """Append bytes that are already in memory, from now or from ``time_ns``."""
        view = memoryview(chunk)
        while view:
            if self.dropped:
                self._drop(len(view), None)
                return
            try:
                file, offset, room = self._place()
                self._write_entry(source, time_ns)
                written = os.pwrite(file, view[:room], offset)
            except OSError as error:
                self._drop(len(view), error)
                return
            self._index_end += ENTRY.size
            self.end += written
            view = view[written:]

    def _take_and_drop(self, pipe: int, error: OSError | None = None) -> int | None:
        # Noted before it is done: a pump that is killed in between has told of too much, and
        # never of too little.
        count = min(waiting_bytes(pipe), CHUNK_BYTES)
        self._drop(count, error)
        try:
            taken = len(os.read(pipe, count or 1))
        except BlockingIOError:
            return None
        self._drop(taken - count, error)
        return taken

    def _drop(self, count: int, error: OSError | None) -> None:
        if not count:
            return
        self.dropped += count
        self._errno = self._errno or (error.errno or 0 if error else 0)
        with contextlib.suppress(OSError):
            os.utime(self._index_fd, ns=(0, self.dropped * 256 + self._errno))

    def _drop_stale_entries(self, kept_from: int) -> None:
        """Rewrite the index without the chunks whose bytes the tail files no longer hold."""
        if self._index_end - self._index_floor < MAX_STALE_INDEX_BYTES:
            return
        with contextlib.suppress(OSError):
            old = os.pread(self._index_fd, self._index_end, 0)
            entries = list(ENTRY.iter_unpack(old))
            kept = bytearray()
            for entry, following in zip(entries, [*entries[1:], (0, self.end, 0)], strict=True):
                if entry[1] < self._head or following[1] > kept_from:
                    kept += ENTRY.pack(*entry)
            new_path = f"{self.path}.index.new"
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            new = os.open(new_path, flags, 0o600)
            try:
                if os.pwrite(new, kept, 0) != len(kept):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.rename(new_path, f"{self.path}.index")
                os.dup2(new, self._index_fd, inheritable=False)
            finally:
                os.close(new)
            self._index_end = self._index_floor = len(kept)

    def close(self) -> None:
        """Let go of the files."""
        for file in (*self._files.values(), self._index_fd, *(self._transit or ())):
            os.close(file)
        self._files = {}


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


class _Pace:
    """Decides when to nap before reading.

    A line that comes by itself is read at once, so that its time is right, and its place among
    the lines of other pipes. A writer that writes bit by bit and fast is let run on. One that
    fills the pipe during a nap is read without.
    """

    def __init__(self) -> None:
        self._wakes: deque[float] = deque(maxlen=CROWD)
        self._last_moved = 0
        self._flood = FLOOD_BYTES

    def expect(self, capacity: int) -> None:
        """Take note of a pipe that holds ``capacity`` bytes: half of that in a nap is a flood."""
        self._flood = min(self._flood, capacity // 2)

    def calls_for_nap(self) -> bool:
        """Tell whether to nap after this wake-up."""
        now = time.monotonic()
        self._wakes.append(now)
        if NAP_BYTES <= self._last_moved < self._flood:
            return True
        return len(self._wakes) == CROWD and now - self._wakes[0] < CROWD_S

    def note(self, moved: int) -> None:
        """Take note of the largest chunk that was moved since."""
        self._last_moved = moved


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
        self._requests = _Requests(control)
        self._peaceful = False
        self._spools: dict[str, int] = {}  # by path: the lock that says they are in use
        self._pace = _Pace()

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
        if original is not None and not _is_writable(original):
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
                    _wait_until_writable(original)
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
            self._pace.expect(_capacity(read_end))
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
        facts: dict[str, Any] = {"crashed": time.time_ns()}
        if writer.dropped:
            facts |= {"dropped": writer.dropped, "dropped_why": writer.dropped_why}
        with contextlib.suppress(OSError):
            append_facts(f"{writer.path}.json", facts)
        try:
            move_recording(writer.path, recording.crash_dir)
        except OSError:
            return {os.path.dirname(writer.path)}
        return set()


class _Requests:
    """Reads JSON lines and the descriptors that came with them from a stream socket."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._buffer = b""
        self._fds: list[int] = []
        self.closed = False

    def read(self) -> Iterator[tuple[dict[str, Any], list[int]]]:
        # Not socket.recv_fds: it ignores its flags.
        space = socket.CMSG_LEN(_MOST_FDS * _INT.size)
        data, messages, _, _ = self._control.recvmsg(1 << 16, space, _RECEIVE_CLOSED_ON_EXEC)
        fds = [
            fd
            for level, kind, content in messages
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            for (fd,) in _INT.iter_unpack(content[: len(content) - len(content) % _INT.size])
        ]
        self._buffer += data
        self._fds += [out_of_the_way(fd) for fd in fds]
        if not _RECEIVE_CLOSED_ON_EXEC:
            for fd in self._fds:
                os.set_inheritable(fd, False)
        if not data:
            self.closed = True
        while b"\n" in self._buffer:
            line, self._buffer = self._buffer.split(b"\n", 1)
            request = json.loads(line)
            count = request.get("fds", 0)
            taken, self._fds = self._fds[:count], self._fds[count:]
            yield request, taken


def _program_of(process: int | None) -> bytes:
    """Return what tells a run of a program from any other; nothing if it ends or cannot be told.

    On Linux, where the system put what it told the program at its start, other for each.
    """
    try:
        with open(f"/proc/{process}/auxv", "rb") as told:
            return told.read()
    except OSError:
        return b""


def waiting_bytes(pipe: int) -> int:
    """Return how many bytes lie in a pipe."""
    answer = fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0")
    return int.from_bytes(answer, sys.byteorder)


def at_end(pipe: int) -> bool:
    """Tell whether a pipe is empty and has no writer left."""
    waiter = select.poll()
    waiter.register(pipe, 0)  # only "no writer left" is asked for
    return bool(waiter.poll(0)) and not waiting_bytes(pipe)


def out_of_the_way(fd: int) -> int:
    """Return ``fd`` itself, or a duplicate in its place if it is one of 0, 1 and 2.

    In a process that was started with those closed, a new descriptor would take their number.
    """
    if fd > 2:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(fd)


def open_pipe(size: int) -> tuple[int, int]:
    """Return the ends of a pipe that holds ``size`` bytes, if the system allows it."""
    read_end, write_end = map(out_of_the_way, os.pipe())
    enlarge(write_end, size)
    return read_end, write_end


def enlarge(pipe: int, size: int) -> None:
    """Have a pipe hold ``size`` bytes, if the system allows it."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # over the user's quota: the usual size will do
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, size)


def _capacity(pipe: int) -> int:
    """Return how many bytes a pipe holds, or what the first Linux pipes held if it won't say."""
    try:
        return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
    except (OSError, AttributeError):
        return 64 << 10


def _is_writable(fd: int) -> bool:
    return bool(_poll_to_write(fd).poll(0))


def _wait_until_writable(fd: int) -> None:
    _poll_to_write(fd).poll()


def _poll_to_write(fd: int) -> select.poll:
    waiter = select.poll()
    waiter.register(fd, select.POLLOUT)
    return waiter


def append_facts(path: str, facts: dict[str, Any]) -> None:
    """Add one line of facts to a recording's ``.json`` file; a later line overrides."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        # On a line of its own, even if a full disk or a machine without power cut the last one.
        write_all(fd, b"\n" + json.dumps(facts).encode() + b"\n")
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write all of it: a disk that is nearly full takes a part, and refuses the next."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def recording_files(path: str) -> list[str]:
    """Return the files that belong to the recording at ``path``, as far as they exist."""
    suffixes = (".data", ".index", ".tail0", ".tail1", ".index.new", ".json")
    return [path + suffix for suffix in suffixes if os.path.lexists(path + suffix)]


def move_recording(path: str, directory: str) -> str:
    """Move a recording into ``directory`` (made 0700 if missing); return its new path.

    If that fails, with an `OSError`, all of it is where it was. The ``.json`` file arrives last
    and goes first: a recording without one is not there.
    """
    os.makedirs(directory, mode=0o700, exist_ok=True)
    target = os.path.join(directory, os.path.basename(path))
    files = recording_files(path)
    arrived: list[str] = []
    try:
        for file in files:
            arrived.append(target + file[len(path) :])
            _link_or_copy(file, arrived[-1])
    except BaseException:
        _unlink(arrived)
        raise
    _unlink(reversed(files))
    return target


def _link_or_copy(file: str, destination: str) -> None:
    _unlink([destination])  # left by somebody who was killed while moving it
    try:
        os.link(file, destination)
    except OSError:  # another file system, or one without links
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(destination, flags, 0o600)
        with open(target, "wb") as out, open(file, "rb") as data:
            while chunk := data.read(CHUNK_BYTES):
                out.write(chunk)


def _unlink(files: Iterable[str]) -> None:
    for file in files:
        with contextlib.suppress(OSError):
            os.unlink(file)


def remove_tree(directory: str) -> None:
    """Remove a flat directory of recordings; what is gone already is no fault."""
    with contextlib.suppress(OSError):
        _unlink(os.path.join(directory, name) for name in os.listdir(directory))
        os.rmdir(directory)


def _room() -> int:
    """Return how many descriptors can be opened for sure: half of what the limit leaves."""
    try:
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return (soft - len(os.listdir("/dev/fd"))) // 2
    except (ImportError, OSError, ValueError):
        return 0


def _raise_descriptor_limit() -> None:
    """A helper for many captures wants more descriptors than a soft limit meant for a shell."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    import signal

    # An interrupt is for the kernel; a write to a closed terminal must not end the helper.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    _raise_descriptor_limit()
    Pump(socket.socket(fileno=int(sys.argv[1])), owner=int(sys.argv[2])).run()
