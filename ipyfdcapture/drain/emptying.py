"""Emptying pipes: what is ready is moved into its recording, or to where it would have gone."""

from __future__ import annotations

import contextlib
import os
import select
from typing import NamedTuple

from ..recording.writer import CHUNK_BYTES, RecordingWriter
from ..system import clock
from ..system.descriptors import write_once
from ..system.pipes import TERMINAL_BYTES, capacity, read_some, waiting_bytes
from ..system.polling import at_end
from .pace import Pace
from .relay import Relay

#: How long a writer is let run on before its pipe is read: it saves a context switch for each
#: line (1 M raw writes take 0.33 s with it, 0.50 s without).
COALESCE_S = 0.0005
#: How often those who follow a recording are woken. They show something at most ten times a second,
#: and look by themselves after each time.
_WAKE_S = 0.01
#: select() takes the descriptors below this alone (FD_SETSIZE).
_SELECTABLE_FDS = 1024


class PumpedPipe:
    """One pipe, or terminal, that is being emptied: its read end, where it goes, its source."""

    def __init__(
        self, fd: int, recording: PumpedRecording, source: int, original: int | None
    ) -> None:
        self.fd = fd
        self.recording = recording
        self.source = source
        self.original = original  # where bytes go once nobody keeps them any more
        self.is_terminal = os.isatty(fd)
        self.relay: Relay | None = None  # which owns the descriptors, once there is one

    def close(self) -> None:
        """Close its descriptors."""
        if self.relay is not None:
            self.relay.resume()  # it sees the end for itself
            return
        os.close(self.fd)
        if self.original is not None:
            os.close(self.original)


class Copy(NamedTuple):
    """Where what comes by a pipe is recorded as well."""

    number: int  # of the recording: the higher, the newer
    recording: PumpedRecording
    source: int  # its number there
    is_shown: bool  # there, and so not with its own recording


class PumpedRecording:
    """What the pump knows of one recording: its writer and its open pipes, by source."""

    def __init__(self, writer: RecordingWriter, crash_dir: str | None) -> None:
        #: None once it is released: then its pipes are passed through.
        self.writer: RecordingWriter | None = writer
        self.crash_dir = crash_dir
        self.pipes: dict[int, PumpedPipe] = {}
        self.taken: set[int] = set()  # the sources whose pipes it has or had
        self.active = True  # until the cell that it belongs to has ended
        self.copied: set[PumpedRecording] = set()  # those whose pipes are recorded here as well
        self._copies: dict[int, list[Copy]] = {}  # by source
        #: Both ends of the pipes that wake those who follow it.
        self.wakers: list[tuple[int, int]] = []
        self._next_wake = 0.0

    def wake(self) -> None:
        """Something was recorded: wake those who follow it, unless they were woken just now."""
        if self.wakers and (now := clock.monotonic()) >= self._next_wake:
            self._next_wake = now + _WAKE_S
            for _, write_end in self.wakers:
                with contextlib.suppress(OSError):  # full: who is awake has not looked yet
                    write_once(write_end, b"\0")

    def close_wakers(self) -> None:
        """Nothing more is recorded."""
        while self.wakers:
            for end in self.wakers.pop():
                os.close(end)

    def copy_of(self, source: int) -> Copy | None:
        """Return where a source is recorded as well, now that its own capture has stopped."""
        return max(self._copies.get(source, ()), key=_by_number, default=None)

    def begin_copy(self, source: int, copy: Copy) -> None:
        """Record a source elsewhere as well."""
        was_shown = self._is_shown(source)
        self._copies.setdefault(source, []).append(copy)
        copy.recording.copied.add(self)
        self._note_shown(source, was_shown)

    def end_copies(self, to: PumpedRecording) -> None:
        """Record nothing in another recording any more."""
        for source, copies in list(self._copies.items()):
            was_shown = self._is_shown(source)
            self._copies[source] = [copy for copy in copies if copy.recording is not to]
            self._note_shown(source, was_shown)
        to.copied.discard(self)

    def _is_shown(self, source: int) -> bool:
        copy = self.copy_of(source)
        return copy is not None and copy.is_shown

    def _note_shown(self, source: int, was_shown: bool) -> None:
        if self.writer is not None and self._is_shown(source) != was_shown:
            self.writer.note_shown(source, not was_shown)


def _by_number(copy: Copy) -> int:
    return copy.number


class Emptier:
    """Empties the pipes that it is given, each until its last writer has closed.

    Parameters
    ----------
    control
        A descriptor that is waited for, too, and ends a nap.
    """

    def __init__(self, control: int) -> None:
        self._control = control
        self._pipes: dict[int, PumpedPipe] = {}
        self._relays: list[Relay] = []
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._pace = Pace()

    def __bool__(self) -> bool:
        """Tell whether there is a pipe to empty."""
        return bool(self._pipes)

    @property
    def is_relaying(self) -> bool:
        """Whether a writer lives whose output is passed on."""
        self._relays = [relay for relay in self._relays if not relay.has_ended]
        return bool(self._relays)

    def await_relays(self) -> None:
        """Wait until what is passed on has ended."""
        for relay in self._relays:
            relay.wait()

    def watch(self, fd: int) -> None:
        """Wait for one more descriptor that is not emptied."""
        self._poll.register(fd, select.POLLIN)

    def unwatch(self, fd: int) -> None:
        """Wait for it no more."""
        self._poll.unregister(fd)

    def add(self, pipe: PumpedPipe) -> None:
        """Empty a pipe from now on. Takes over its descriptors."""
        os.set_blocking(pipe.fd, False)
        pipe.recording.pipes[pipe.source] = self._pipes[pipe.fd] = pipe
        pipe.recording.taken.add(pipe.source)
        self._poll.register(pipe.fd, select.POLLIN)
        if not pipe.is_terminal:
            self._pace.expect(capacity(pipe.fd))

    def wait(self) -> list[int]:
        """Wait until something is ready; return those descriptors."""
        return self._ready(None)

    def let_writers_run(self, ready: list[int]) -> list[int]:
        """Nap, if it pays; return what is ready by then."""
        if not self._pace.calls_for_nap() or self._control in ready:
            return ready
        if 0 <= self._control < _SELECTABLE_FDS:
            # A request, such as the end of a capture, ends the nap. Not poll: it counts in ms.
            select.select([self._control], [], [], COALESCE_S)
        else:
            clock.sleep(COALESCE_S)
        # What had something before the nap was written to first.
        return list(dict.fromkeys(ready + self._ready(0)))

    def empty(self, ready: list[int]) -> None:
        """Move a chunk of each pipe that is ready."""
        moved = 0
        for fd in ready:
            if fd in self._pipes:
                pipe = self._pipes[fd]
                some = self._empty(pipe)
                # A terminal holds too little for a nap: its writer would wait.
                moved = moved if pipe.is_terminal else max(moved, some)
        self._pace.note(moved)

    def empty_now(self, recording: PumpedRecording) -> None:
        """Move what is in the recording's pipes at this moment, and no more: a writer that
        never pauses must not keep the asker waiting."""
        for pipe in list(recording.pipes.values()):
            if self._has(pipe):  # else: it is passed on
                self._empty_now(pipe)
                if pipe.source in recording.pipes and at_end(pipe.fd):
                    self._close_pipe(pipe)

    def _empty_now(self, pipe: PumpedPipe) -> None:
        left = TERMINAL_BYTES if pipe.is_terminal else waiting_bytes(pipe.fd)
        while left > 0 and pipe.source in pipe.recording.pipes:
            left -= self._empty(pipe) or left

    def begin_copy(self, pipe: PumpedPipe) -> None:
        """Prepare for a pipe to be recorded elsewhere as well.

        What is in it by now is not. If nobody keeps its own recording, it is no longer passed on.
        """
        if self._has(pipe):
            self._empty_now(pipe)
        if not self._has(pipe) and pipe.relay is not None and pipe.relay.pause():
            self._pipes[pipe.fd] = pipe
            self._poll.register(pipe.fd, select.POLLIN)

    def has_writers(self, recording: PumpedRecording) -> bool:
        """Tell whether there is still a writer of one of its pipes."""
        for pipe in list(recording.pipes.values()):
            if not self._has(pipe) and (pipe.relay is None or pipe.relay.has_ended):
                del recording.pipes[pipe.source]
        return bool(recording.pipes)

    def let_go(self, recording: PumpedRecording) -> None:
        """Close the pipes of a recording, and leave what is in them to another pump."""
        for pipe in list(recording.pipes.values()):
            self._close_pipe(pipe)

    def _has(self, pipe: PumpedPipe) -> bool:
        return self._pipes.get(pipe.fd) is pipe  # the number of one that has ended may be another's

    def ignore_control(self) -> None:
        """Wait for the pipes alone."""
        self.unwatch(self._control)
        self._control = -1

    def close(self) -> None:
        """Close all pipes, whatever is in them."""
        for pipe in list(self._pipes.values()):
            self._close_pipe(pipe)
        for relay in self._relays:
            relay.close()

    def forget(self) -> None:
        """Somebody has closed all descriptors: their numbers are others' now."""
        for pipe in self._pipes.values():
            if pipe.relay is not None:
                pipe.relay.resume()
        self._pipes.clear()
        self._relays.clear()

    def _ready(self, timeout_ms: int | None) -> list[int]:
        return [fd for fd, _ in self._poll.poll(timeout_ms)]

    def _empty(self, pipe: PumpedPipe) -> int:
        """Move one chunk; forget the pipe at its end. Returns the bytes moved."""
        writer = pipe.recording.writer
        copy = pipe.recording.copy_of(pipe.source)
        other = copy.recording.writer if copy else None
        if writer is not None:
            moved = writer.take(pipe.fd, pipe.source, pipe.is_terminal)
            if moved and copy and other is not None:
                writer.copy_to(other, copy.source)
            # The end of a pipe is news once the capture has ended: no more comes of a last line.
            if moved or not pipe.recording.active:
                pipe.recording.wake()
        elif copy and other is not None:  # nobody keeps it but the capture that runs
            moved = other.take(pipe.fd, copy.source, pipe.is_terminal)
        else:
            moved = self._pass_through(pipe)
        if copy and moved:
            copy.recording.wake()
        if moved == 0:
            self._close_pipe(pipe)
        return moved or 0

    def _pass_through(self, pipe: PumpedPipe) -> int | None:
        """Hand bytes that nobody keeps to the descriptor they would have gone to.

        Nobody may be reading there, so a thread of its own writes; without one, they are dropped.
        """
        if pipe.relay is not None:
            self._unwatch_pipe(pipe)
            pipe.relay.resume()
            return None
        if pipe.original is not None:
            relay = Relay(pipe.fd, pipe.original)
            with contextlib.suppress(RuntimeError):
                relay.start()
                pipe.relay = relay
                self._relays.append(relay)
                self._unwatch_pipe(pipe)
                return None
        try:
            return len(read_some(pipe.fd, CHUNK_BYTES))
        except BlockingIOError:
            return None

    def _close_pipe(self, pipe: PumpedPipe) -> None:
        self._unwatch_pipe(pipe)
        pipe.recording.pipes.pop(pipe.source, None)
        pipe.close()

    def _unwatch_pipe(self, pipe: PumpedPipe) -> None:
        self._poll.unregister(pipe.fd)
        del self._pipes[pipe.fd]
