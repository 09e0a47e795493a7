"""The scan process as the kernel sees it: started, asked, and killed.

Expressions and levels are not looked for in the kernel: one bad expression would hold every thread
of it, and a thread that scans takes half of the user's cell's speed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Sequence
from typing import Any

from ..log.reading import Reading
from ..recording.format import ENTRY, HEADER
from ..recording.recording import Recording, Snapshot
from ..system import clock
from ..system.finalizers import Finalizer
from .wire import Message, Wire

_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
#: How long to wait for the shell that starts the process (it ends at once).
_LAUNCH_S = 30.0
#: Entries, and bytes, are copied so many at a time.
_COPY_ENTRIES = 1 << 14
_COPY_BYTES = 1 << 20


class Scan:
    """One scan process.

    It ends when this object is closed or forgotten, whatever it is doing.

    Raises `OSError` if no process can be started.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                _launch(theirs)
        except BaseException:
            ours.close()
            raise
        self.wire = Wire(ours)
        self._state = _State()
        self._end = Finalizer(self, _end, self.wire, self._state, os.getpid())
        self._copies: dict[int, list[str]] = {}  # by the number of the answer

    def fileno(self) -> int:
        """The descriptor that is readable when something was received."""
        return self.wire.socket.fileno()

    def open(
        self,
        number: int,
        recording: Recording,
        reading: Reading,
        selection: Sequence[int],
        reset: bool,
    ) -> None:
        """Have it map the files of a log as far as ``reading`` goes.

        Parameters
        ----------
        number
            The id of the answer, after which copies that had to be made are deleted.
        recording, reading
            The log.
        selection
            Which of its lines, ascending: an array, or a range without holes.
        reset
            Whether it is another one than before, rather than the same that has grown.
        """
        snapshot, index = reading.lines.snapshot, reading.lines.index
        listed = not isinstance(selection, range)
        data, entries, header = self._files(recording, snapshot, number)
        with index.lock:
            blocks = array("Q", index.started)
            open_strands = list(index.open)
        payload = blocks.tobytes() + (array("I", selection).tobytes() if listed else b"")
        content = {
            "do": "open",
            "id": number,
            "reset": reset,
            "data": data,
            "index": entries,
            "header": header,
            "bytes": len(snapshot),
            "entries": len(snapshot.times),
            "sources": list(snapshot.sources),
            "gaps": list(snapshot.gaps),
            "blocks": len(blocks),
            "open": open_strands,
            "listed": listed,
            "range": [selection[0], selection[-1] + 1] if selection and not listed else [0, 0],
            "encoding": reading.encoding,
            "errors": reading.errors,
        }
        self.wire.send(content, payload)

    def ask(self, what: str, number: int, **content: Any) -> None:
        """Send a wish. Raises `OSError` if the process is gone."""
        self.wire.send({"do": what, "id": number, **content})

    def receive(self) -> list[Message] | None:
        """Return what came; None: the process is gone."""
        messages = self.wire.receive()
        for message in messages or ():
            if "pid" in message.content:
                self._state.pid = message.content["pid"]
            if "opened" in message.content:
                self._delete_copies(message.content["id"])
        return messages

    def close(self) -> None:
        """End the process, whatever it is doing."""
        for number in list(self._copies):
            self._delete_copies(number)
        self._end()

    def _files(self, recording: Recording, snapshot: Snapshot, number: int) -> tuple[str, str, int]:
        """Return the files of a snapshot and where the entries start: those of the recording.

        Copies if it is not as it lies there: with a limit, the last part moves on while it grows.
        """
        data, entries = recording.data_path, recording.path + ".index"
        if (
            data is not None
            and len(snapshot)
            and not (recording.metadata.max_bytes is not None and recording.writing is not None)
        ):
            with contextlib.suppress(OSError), open(entries, "rb") as index:
                if _is_index_of(snapshot, index.fileno()):
                    return os.path.abspath(data), entries, HEADER.size
        return self._copy(os.path.dirname(recording.path), snapshot, number)

    def _copy(self, directory: str, snapshot: Snapshot, number: int) -> tuple[str, str, int]:
        names = self._copies.setdefault(number, [])
        for write in (_write_data, _write_entries):
            fd, name = tempfile.mkstemp(".scan", "", directory)
            names.append(name)
            with os.fdopen(fd, "wb") as file:
                write(file, snapshot)
        return names[0], names[1], 0

    def _delete_copies(self, number: int) -> None:
        for name in self._copies.pop(number, ()):
            with contextlib.suppress(OSError):
                os.unlink(name)


class _State:
    """What is known of the process, for who ends it."""

    pid: int | None = None


def _launch(theirs: socket.socket) -> None:
    """Start the process as an orphan: ``os.wait()`` in the user's code must never meet it."""
    if not sys.executable:
        raise FileNotFoundError("this Python does not know its own program")
    fd = theirs.fileno()
    launcher = subprocess.Popen(
        ["/bin/sh", "-c", '"$0" "$@" &', sys.executable, "-I", "-S", "-E", _PROGRAM, str(fd)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[fd],
        start_new_session=True,
        cwd="/",
    )
    status = clock.await_end(launcher, _LAUNCH_S)
    if status is None:
        launcher.kill()
        launcher.wait()
    if status != 0:
        raise OSError("the system allows no further process")


def _end(wire: Wire, state: _State, owner: int) -> None:
    gone = _is_gone(wire)
    wire.close()
    if state.pid is not None and not gone and os.getpid() == owner:
        with contextlib.suppress(OSError):
            os.kill(state.pid, signal.SIGKILL)


def _is_gone(wire: Wire) -> bool:
    try:
        return wire.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _is_index_of(snapshot: Snapshot, index: int) -> bool:
    """Tell whether the entries of a snapshot are those that a file holds."""
    last = len(snapshot.times) - 1
    for i in {0, last}:
        entry = os.pread(index, ENTRY.size, HEADER.size + i * ENTRY.size)
        if len(entry) < ENTRY.size:
            return False
        expected = (snapshot.times[i], snapshot.starts[i], snapshot.source_numbers[i])
        if ENTRY.unpack(entry) != expected:
            return False
    return True


def _write_data(file: Any, snapshot: Snapshot) -> None:
    for first in range(0, len(snapshot), _COPY_BYTES):
        file.write(snapshot.data[first : first + _COPY_BYTES])


def _write_entries(file: Any, snapshot: Snapshot) -> None:
    for first in range(0, len(snapshot.times), _COPY_ENTRIES):
        some = slice(first, first + _COPY_ENTRIES)
        columns = (snapshot.times[some], snapshot.starts[some], snapshot.source_numbers[some])
        for entry in zip(*(column.tolist() for column in columns), strict=True):
            file.write(ENTRY.pack(*entry))
