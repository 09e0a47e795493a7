"""Where children are recorded: in the active capture's log, or in one of their own."""

from __future__ import annotations

import contextlib
import contextvars
import os

from ...drain.choosing import get_drain
from ...drain.job import DrainJob, Pipe, PipeReservation
from ...errors import CaptureError, reason
from ...log.captured import Captured
from ...recording import spool
from ...recording.metadata import Metadata
from ...recording.recording import Recording
from ...system import clock
from ...system.descriptors import duplicate_if_open
from ...system.forking import fork_safe_lock
from ...system.interrupts import deferred_interrupts
from ..session import CaptureSession, current_capture
from ..terminal_watch import TerminalWatch
from .callbacks import Callbacks, OnLine, callbacks_of
from .labels import labels_of

_lock = fork_safe_lock()


def current_log(of_a_group: bool = False) -> ChildLog:
    """Return the active capture's log, or a new one."""
    capture = current_capture()
    if capture is not None and capture.job and not capture.captured.recording.closed:
        reservation = capture.job.reserve()
        if reservation is not None:  # else: it is just over
            return ChildLog(capture.captured, capture.job, capture, reservation)
    return _new_log(of_a_group)


def _new_log(of_a_group: bool) -> ChildLog:
    metadata = Metadata(started=clock.time_ns(), process=os.getpid())
    with deferred_interrupts():
        place = spool.open_spool()
        drain = get_drain("auto")
        try:
            recording, data, index = Recording.create(place.path, metadata)
            job = drain.record(recording, place, (data, index), None)
        except OSError as error:
            raise CaptureError(f"cannot capture: {reason(error)}") from error
        return ChildLog(Captured(recording), job, None, None, of_a_group)


class ChildLog:
    """The recording that children go to: that of ``capture`` or, without one, theirs alone.

    Used in a ``with`` block by whoever adds children, until all are added: the capture may end
    meanwhile.
    """

    def __init__(
        self,
        captured: Captured,
        job: DrainJob,
        capture: CaptureSession | None,
        reservation: PipeReservation | None,
        of_a_group: bool = False,
    ) -> None:
        self.captured = captured
        self._job = job
        self._capture = capture
        self._reservation = reservation
        self._of_one = capture is None and not of_a_group
        self._sources: set[int] = set()
        self._callbacks: Callbacks | None = None
        self._watch: TerminalWatch | None = None  # if it is no capture's

    def __enter__(self) -> ChildLog:
        return self

    def __exit__(self, *_: object) -> None:
        if self._reservation is not None:
            self._reservation.close()

    def add(self, label: str, read_ends: dict[str, int], on_line: OnLine | None) -> list[Pipe]:
        """Have pipes emptied into it, by their names; takes them over, also if it fails."""
        recording = self.captured.recording
        sources = [f"{label}/{name}" for name in read_ends]
        labels = labels_of(recording)
        with _lock:
            labels.note(label)
            try:
                if on_line is not None:  # before the first line can come
                    self._get_callbacks().give(sources, on_line)
            except BaseException:
                for read_end in read_ends.values():
                    os.close(read_end)
                raise
            first = len(recording.sources)
            recording.add_sources(sources)
            pipes = [
                Pipe(first + i, read_end, source)
                for i, (source, read_end) in enumerate(
                    zip(sources, read_ends.values(), strict=True)
                )
            ]
            self._sources.update(pipe.source for pipe in pipes)
            self._job.add(pipes)
        return pipes

    def watch_terminals(self) -> TerminalWatch:
        """Return what watches the terminals of children that are added."""
        if self._capture is not None:
            return self._capture.watch_terminals()
        with _lock:
            if self._watch is None:
                self._watch = TerminalWatch(
                    None,
                    duplicate_if_open,
                    True,
                    contextlib.nullcontext,
                    contextvars.copy_context(),
                )
            return self._watch

    def _get_callbacks(self) -> Callbacks:
        if self._callbacks is None:
            recording, capture = self.captured.recording, self._capture
            self._callbacks = (
                callbacks_of(recording, capture) if capture else Callbacks(recording, None)
            )
        return self._callbacks

    def of_children(self) -> Captured:
        """Return what children wrote that were added here, apart from what else is in the log."""
        if self._capture is None:
            return self.captured
        return self.captured.of_sources(self._sources)

    def nothing_more_to_start(self) -> None:
        """If this is one child's own log, it is complete when that has ended."""
        if self._of_one:
            self._job.stopped = True

    def note_end(self) -> None:
        """One child has ended."""
        if self._of_one:
            self.captured.recording.finish(clock.time_ns())
            self._stop_watch()

    def _stop_watch(self) -> None:
        if self._watch is not None:
            self._watch.stop()

    def end_group(self) -> None:
        """All children of a group have ended."""
        recording = self.captured.recording
        self._stop_watch()
        with deferred_interrupts():
            if self._capture is None:
                recording.finish(clock.time_ns())
                self._job.stop()
        recording.update()
        if self._callbacks is not None:
            self._callbacks.catch_up()

    def give_up(self) -> None:
        """A group has failed: delete the log, unless it is a capture's."""
        self._stop_watch()
        if self._capture is None:
            self.captured.close()
