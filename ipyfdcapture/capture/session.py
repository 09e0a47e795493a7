"""The capture: the context manager that ties redirections, streams, drain and recording together.

`capture_fd` is the front door. What a capture does at its start is undone in reverse at its end,
each step on its own, so that one that fails leaves none of the others out.
"""

from __future__ import annotations

import atexit
import contextlib
import copy
import fcntl
import os
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import TracebackType
from typing import Any

from ..checks import (
    check_encoding,
    check_facts,
    check_flags,
    check_function,
    check_max_bytes,
    check_positive,
    check_seconds,
    checked_fds,
)
from ..drain.drain import KINDS, Draining, Pipe, get_drain
from ..errors import CaptureError, reason
from ..live.callback import FileTarget, LineTarget
from ..live.display_order import keep_order
from ..live.follower import GRACE_S, Follower, Target
from ..live.targets import MakeTarget, Place, make_target
from ..log.captured import Captured
from ..log.line import Line
from ..output import cstdio
from ..output.proxy import process_stream, put_before_own
from ..output.redirect import ClosedStandardDescriptors, Redirection, dup_original
from ..output.runtimes.loaded import tie_iostreams
from ..output.streams import (
    CaptureStream,
    Replacement,
    Turns,
    attribute_of,
    error_handler_of,
    fileno_of,
    flush_quietly,
    keep_to_own_pipes,
    settle,
)
from ..recording import spool
from ..recording.metadata import Metadata
from ..recording.recording import Recording, copy_snapshot
from ..recording.tail_reader import end_of
from ..system.descriptors import Descriptor
from ..system.finalizers import Finalizer
from ..system.interrupts import deferred_interrupts
from ..system.pipes import open_pipe

#: Asked of the system for each pipe: on bulk output four times as fast as the usual 64 KiB.
PIPE_BYTES = 1 << 20
_NAMES = {1: "stdout", 2: "stderr"}
MERGED = "stdout+stderr"


def capture_fd(
    *,
    stdout: bool = True,
    stderr: bool = True,
    fds: Iterable[int] = (),
    python: bool = True,
    display: bool = False,
    merge: bool = False,
    encoding: str = "utf-8",
    errors: str = "replace",
    live: Any = None,
    on_line: Callable[[Line], object] | None = None,
    file: str | os.PathLike[str] | None = None,
    live_interval: float = 0.1,
    live_max_bytes: int = 1_000_000,
    max_bytes: int | None = None,
    drain: str = "auto",
    spool_dir: str = "",
    facts: dict[str, Any] | None = None,
) -> Capture:
    """Capture what this process and its children write to descriptors 1 and 2.

    Use it as a context manager; it gives a `Captured`, which may be read at once and for as long
    as it is kept::

        with capture_fd() as logs:
            solver.run()
        print(logs.stdout)

    Parameters
    ----------
    stdout, stderr
        Whether to capture descriptor 1, descriptor 2.
    fds
        Further descriptors to capture (above 2, open).
    python
        Whether ``sys.stdout`` and ``sys.stderr`` are captured too. If not, they go on to where
        they wrote before, and native output alone is captured.
    display
        Whether to capture IPython's rich displays (``Captured.outputs``).
    merge
        One pipe for both streams: the exact order, but no telling apart.
    encoding, errors
        How Python writes text during the capture, and how `Captured` reads it.
    live
        Where to show the output as it comes: ``"iopub"`` (under the notebook cell),
        ``"terminal"`` (where the descriptors led before), ``"auto"`` (the one or the other), a
        writable text or binary stream, or a `logging.Logger` (a record for each line).
    on_line
        Called with each `Line`, in a thread. An exception in it is reported, and ends nothing.
    file
        A path to append the bytes to as they come.
    live_interval
        How often (s) what is new is shown.
    live_max_bytes
        How much is shown live in a notebook; the rest is counted, and the end is shown.
    max_bytes
        Keep at most that many bytes, the first half and the last. None: keep all.
    drain
        Where the pipes are emptied: ``"process"`` (a helper, which native code that holds the
        GIL cannot stop), ``"thread"``, or ``"auto"``: the helper where one can be started.
    spool_dir
        Where recordings are kept while they are in use. Empty: the system's temporary directory.
    facts
        What else to keep with the log (plain data), as ``Captured.facts``.

    Raises
    ------
    ValueError
        If an argument is not of the accepted kind. Nothing has changed then.
    CaptureError
        On entering, if the system does not allow it. Nothing has changed then.
    """
    check_flags(stdout=stdout, stderr=stderr, python=python, display=display, merge=merge)
    wanted = [fd for fd, on in ((1, stdout), (2, stderr)) if on] + checked_fds(fds)
    if not wanted and not display:
        raise ValueError("nothing to capture: stdout, stderr, fds and display are all off")
    if drain not in KINDS:
        raise ValueError(f"drain must be one of {', '.join(KINDS)}, not {drain!r}")
    check_max_bytes(max_bytes)
    check_encoding(encoding, errors)
    check_function("on_line", on_line)
    if file is not None and not isinstance(file, (str, bytes, os.PathLike)):
        raise ValueError(f"file must be a path, not {file!r} (for a stream: live)")
    check_seconds("live_interval", live_interval)
    check_positive("live_max_bytes", live_max_bytes, of=" of bytes")
    if not isinstance(spool_dir, str):
        raise ValueError(f"spool_dir must be the path of a directory, not {spool_dir!r}")
    check_facts(facts)
    run = Run(
        wanted,
        python=python,
        display=display,
        merge=merge and stdout and stderr,
        encoding=encoding,
        errors=errors,
        max_bytes=max_bytes,
        drain=drain,
        spool_dir=spool_dir,
        facts=facts or {},
    )
    run.live_interval = live_interval
    run.live_max_bytes = live_max_bytes
    if live is not None:
        run.show_on("live", make_target(live))
    if on_line is not None:
        run.show_on("on_line", lambda place: LineTarget(on_line))
    if file is not None:
        run.show_on("file", lambda place: FileTarget(file))
    return Capture(run)


_active: list[Run] = []
os.register_at_fork(after_in_child=_active.clear)


@atexit.register
def _end_all() -> None:
    """End what is active while the threads that it needs still run."""
    with contextlib.ExitStack() as ending:
        for run in _active:
            ending.callback(run.stop, failed=True)


def current_capture() -> Run | None:
    """Return the capture that is active, the newest if several are."""
    return _active[-1] if _active else None


class Capture:
    """One capture, from `start` to `stop`; made by `capture_fd`.

    Both may be called more than once and from any thread; a capture runs once. One that nobody
    holds any more is stopped: an interrupt that comes just as a ``with`` block is left, before
    Python has called anything of ours, leaves no descriptor behind.
    """

    def __init__(self, run: Run) -> None:
        #: What is going on; nothing there refers to this object.
        self.run = run
        self._finalizer: Finalizer | None = None

    @property
    def captured(self) -> Captured:
        """What was captured so far. Raises `RuntimeError` before the start."""
        return self.run.captured

    def start(self) -> Captured:
        """Begin. Raises `CaptureError`, with everything as it was, if that cannot be done."""
        try:
            if not self.run.has_started:
                self._finalizer = Finalizer(self, self.run.end_as_forgotten, at_exit=False)
            return self.run.start()
        finally:
            self._let_go()

    def stop(self) -> Captured:
        """End: put everything back, and have everything recorded that was written so far.

        Does not wait for children that live on; what they write later arrives later.
        """
        return self._stop(failed=False)

    def _stop(self, failed: bool) -> Captured:
        try:
            return self.run.stop(failed=failed)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        """Unless there is something to put back, do not hold what the user gave."""
        if self._finalizer is not None and not self.run.is_active:
            self._finalizer.detach()
            self._finalizer = None

    def pause(self) -> None:
        """Let output through to where it went before, until `resume`."""
        self.run.pause()

    def resume(self) -> None:
        """Go on capturing after `pause`."""
        self.run.resume()

    def __enter__(self) -> Captured:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop(failed=error is not None)


class Run:
    """What a capture does, from its start to its stop."""

    def __init__(
        self,
        fds: list[int],
        *,
        python: bool,
        display: bool,
        merge: bool,
        encoding: str,
        errors: str,
        max_bytes: int | None,
        drain: str,
        spool_dir: str,
        facts: dict[str, Any],
    ) -> None:
        self._fds = fds
        self._python = python
        self._display = display
        self._merge = merge
        self._encoding = encoding
        self._drain = drain
        self._spool_dir = spool_dir
        self._undo = contextlib.ExitStack()
        self._started = self._is_ending = self._stopped = False
        self._job: Draining | None = None
        self._outputs: list[dict[str, Any]] = []
        self._redirections: dict[int, Redirection] = {}
        self._turns = Turns()
        self._write_ends: dict[int, int] = {}
        self._targets: list[tuple[str, MakeTarget]] = []
        self._followers: list[Follower] = []
        self._streams: dict[int, CaptureStream] = {}
        self._paused: dict[int, Descriptor] = {}  # the write ends, by descriptor
        self._patience = GRACE_S
        self._limit: float | None = None
        self._begins_at = 0  # what comes before was copied from another log
        self.live_interval = 0.1
        self.live_max_bytes = 1_000_000
        self.tail_lines = 20
        self.name = "the captured log"
        #: How `ipyfdcapture.output.streams.outside` finds what was there before.
        self.replacements: list[Replacement] = []
        #: Where the recording is kept if this process crashes meanwhile (None: nowhere).
        self.crash_dir: str | None = None
        #: A log that the new one goes on from.
        self.append_to: Captured | None = None
        self._failed = False
        self._metadata = Metadata(
            sources=tuple(self._source_names()),
            encoding=encoding,
            errors=errors,
            max_bytes=max_bytes,
            process=os.getpid(),
            facts=copy.deepcopy(facts),
        )
        self._captured: Captured | None = None

    def _source_names(self) -> list[str]:
        if self._merge:
            return [MERGED, *(f"fd {fd}" for fd in self._fds if fd > 2)]
        return [_NAMES.get(fd, f"fd {fd}") for fd in self._fds]

    @property
    def captured(self) -> Captured:
        """What was captured so far. Raises `RuntimeError` before the start."""
        if self._captured is None:
            raise RuntimeError("the capture has not started")
        return self._captured

    def identify(self, notebook: str, cell: int | None, first_line: str | None) -> None:
        """Note which cell of which notebook is captured. To be called before the start."""
        self._metadata = replace(
            self._metadata, notebook=notebook, cell=cell, first_line=first_line
        )

    def show_on(self, name: str, make: MakeTarget) -> None:
        """Have what is captured shown as it comes. To be called before the start."""
        self._targets.append((name, make))

    def follow(self, name: str, target: Target) -> Follower:
        """Show what is captured on one more target, from the beginning of the capture on."""
        recording = self.captured.recording
        if not self._followers:
            self._undo.callback(tie_iostreams())
        follower = Follower(
            recording, target, self.live_interval, name, _flush_for_a_look, self._begins_at
        )
        follower.start()
        self._followers.append(follower)
        if self._is_ending:  # in another thread, which may have passed over what is new
            self._undo.pop_all().close()
            with contextlib.suppress(OSError):  # the log cannot be had yet; then it ends later
                recording.update()
            follower.end_of_cell(self._patience, self._limit)
        return follower

    @property
    def job(self) -> Draining | None:
        """The drain's hold on the recording; None before the start."""
        return self._job

    def catch_up(self) -> None:
        """Have everything that was written so far shown where the user looks."""
        seen = [follower for follower in self._followers if follower.is_seen]
        if seen and self._job is not None:
            _flush_what_waits()
            self._job.update()
            for follower in seen:
                follower.catch_up()

    def cleared(self) -> None:
        """What was shown so far is gone from where the user looks."""
        for follower in self._followers:
            follower.cleared()

    # -- from start to stop ---------------------------------------------------------------------

    @property
    def has_started(self) -> bool:
        """Whether it was ever begun; it can be once."""
        return self._started

    @property
    def is_active(self) -> bool:
        """Whether there is anything to put back."""
        return self._started and not self._stopped

    def start(self) -> Captured:
        """Begin. Raises `CaptureError`, with everything as it was, if that cannot be done."""
        if self._started:
            return self.captured
        try:
            with deferred_interrupts():
                try:
                    self._start()
                except OSError as error:
                    raise CaptureError(f"cannot capture: {reason(error)}") from error
        except BaseException:
            self._roll_back()
            raise
        return self.captured

    def _start(self) -> None:
        self._started = True
        for fd in self._fds:
            if fd > 2:
                fcntl.fcntl(fd, fcntl.F_GETFD)  # closed by now? Then one of ours must not be it
        _flush_what_waits()
        for outer in _active:
            outer.catch_up()
        with ClosedStandardDescriptors() as closed:
            self._start_recording(closed)
            self._swap_descriptors(closed)
        self._swap_streams()
        for fd in self._fds:
            settle(_NAMES.get(fd))
        self._start_followers()
        cstdio.install_hooks()
        self._undo.callback(cstdio.remove_hooks)
        if self._display:
            from ..output.displays import CapturedDisplays

            self._undo.enter_context(CapturedDisplays(self._outputs))
        self._undo.callback(_flush_what_waits)

    def _start_recording(self, closed: ClosedStandardDescriptors) -> None:
        """Have pipes that nothing leads to yet drained into a new recording."""
        place = spool.open_spool(self._spool_dir)
        drain = get_drain(self._drain)
        self._undo.callback(drain.rest)
        recording, files = self._create_recording(place.path)
        self._captured = Captured(recording, self._outputs)
        self._undo.callback(self._close_write_ends)
        try:
            pipes = self._open_pipes(closed)
        except BaseException:
            for file in files:
                os.close(file)
            raise
        self._job = drain.record(recording, place, files, self.crash_dir, pipes)
        self._undo.callback(self._end_recording, recording)
        _active.append(self)
        self._undo.callback(self._is_over)

    def _create_recording(self, directory: str) -> tuple[Recording, tuple[int, int]]:
        metadata = replace(self._metadata, started=time.time_ns())
        before = None
        if self.append_to is not None:
            before = self.append_to.recording.snapshot()
            self._outputs += self.append_to._outputs
            more = Counter(before.sources) - Counter(metadata.sources)
            metadata = replace(metadata, sources=(*metadata.sources, *more.elements()))
            metadata = self.append_to.recording.note_loss(before, metadata)
        recording, data, index = Recording.create(directory, metadata)
        if before is not None:
            try:
                copy_snapshot(before, recording, data, index)
                self._begins_at = end_of(recording)
            except BaseException:
                os.close(data)
                os.close(index)
                recording.close()
                raise
        return recording, (data, index)

    def _open_pipes(self, closed: ClosedStandardDescriptors) -> list[Pipe]:
        """Open a pipe for each descriptor; return their read ends."""
        pipes: list[Pipe] = []
        with contextlib.ExitStack() as closing:
            for fd in self._fds:
                if self._merge and fd == 2:
                    first = self._write_ends[1]
                    self._write_ends[2] = fcntl.fcntl(first, fcntl.F_DUPFD_CLOEXEC, 3)
                    continue
                read_end, self._write_ends[fd] = open_pipe(PIPE_BYTES)
                closing.callback(os.close, read_end)
                original = None if fd in closed else _place_for_late_output(fd)
                if original is not None:
                    closing.callback(os.close, original)
                pipes.append(Pipe(len(pipes), read_end, original))
            closing.pop_all()
        return pipes

    def _close_write_ends(self) -> None:
        while self._write_ends:
            os.close(self._write_ends.popitem()[1])

    def _swap_descriptors(self, closed: ClosedStandardDescriptors) -> None:
        for fd in self._fds:
            keep_to_own_pipes(_NAMES.get(fd))
            closed.give_way(fd)
            self._redirections[fd] = Redirection(fd, self._write_ends[fd])
            del self._write_ends[fd]  # it belongs to the redirection now
            self._undo.callback(self._end_redirection, fd)

    def _end_redirection(self, fd: int) -> None:
        self._redirections[fd].undo()
        settle(_NAMES.get(fd))
        if fd in self._paused:
            self._paused.pop(fd).close()

    def pause(self) -> None:
        """Let output through to where it went before, until `resume`."""
        if not self.is_active:
            return
        with deferred_interrupts():
            _flush_what_waits()
            for fd, redirection in self._redirections.items():
                if fd not in self._paused and redirection.write_end.is_ours():
                    kept = Descriptor.duplicate_of(redirection.write_end)
                    redirection.undo()
                    self._point_stream(fd, kept)
                    self._paused[fd] = kept

    def resume(self) -> None:
        """Go on capturing after `pause`."""
        if not self.is_active:
            return
        with deferred_interrupts():
            _flush_what_waits()
            for fd in list(self._paused):
                if self._paused[fd].is_ours():
                    self._redirections[fd] = Redirection(fd, self._paused[fd])
                del self._paused[fd]

    def _point_stream(self, fd: int, pipe: int) -> None:
        stream = self._streams.get(fd)
        if stream is not None:
            stream.take_turns(self._turns, pipe)

    def _start_followers(self) -> None:
        place = Place(self.dup_below, self.live_max_bytes, self.tail_lines, self.name)
        for name, make in self._targets:
            target = make(place)
            try:
                self.follow(name, target)
            except BaseException:
                target.close()
                raise
        if any(follower.is_seen for follower in self._followers):
            self._undo.callback(keep_order(self))

    def dup_below(self, fd: int) -> int | None:
        """Return a new descriptor for what ``fd`` was before; None if closed or not captured."""
        redirection = self._redirections.get(fd)
        return None if redirection is None else redirection.dup_below()

    def _swap_streams(self) -> None:
        for fd in self._fds:
            name = _NAMES.get(fd)
            if name is None:
                continue
            found = process_stream(name)
            redirection = self._redirections[fd]
            if self._python:
                target, owned = fd, False
            else:
                if fileno_of(found) != fd:
                    continue  # it does not come by here
                below = redirection.dup_below()
                if below is None:
                    continue
                target, owned = below, True
            stream = CaptureStream(
                target,
                f"<{name}>",
                self._encoding,
                error_handler_of(found),
                owned=owned,
                found=found,
            )
            if self._python:
                self._streams[fd] = stream
                self._point_stream(fd, redirection.write_end)
            replacement = Replacement(name, fd, stream, self._stream_below(redirection, found))
            self._undo.callback(replacement.undo)
            self.replacements.append(replacement)
            if self._python:
                self._undo.callback(put_before_own(name, stream))

    def _stream_below(self, redirection: Redirection, found: Any) -> Callable[[], Any]:
        """Return a function that makes a stream on what the descriptor was before."""

        def make() -> CaptureStream | None:
            below = redirection.dup_below()
            if below is None:
                return None
            encoding = attribute_of(found, "encoding") or self._encoding
            return CaptureStream(
                below, f"<{_NAMES[redirection.fd]}>", encoding, error_handler_of(found), owned=True
            )

        return make

    def stop(
        self, failed: bool = False, patience: float = GRACE_S, limit: float | None = None
    ) -> Captured:
        """End: put everything back, and have everything recorded that was written so far.

        Does not wait for children that live on; what they write later arrives later.

        Parameters
        ----------
        failed
            Whether what was captured ended in an error.
        patience
            How long (s) to wait for a live target that makes no progress.
        limit
            How long (s) to wait for one that does. None: as long as it takes.
        """
        captured = self.captured
        self._patience, self._limit = patience, limit
        with deferred_interrupts():
            self._is_ending = True
            undo = self._undo.pop_all()
            if not self._stopped:
                self._failed = failed
            undo.close()
            # They refer to this object; without the circle it goes, with the log, once unused.
            self.replacements.clear()
            self._streams.clear()
        return captured

    def end_as_forgotten(self) -> None:
        """Stop because nobody refers to the capture any more: called anywhere, also amid drains."""
        job = self._job
        if self.is_active and (job is None or not job.drain.postpones(self.end_as_forgotten)):
            self.stop(failed=True)

    def _end_recording(self, recording: Recording) -> None:
        """The last step: the descriptors are back, so what was written is in the pipes."""
        if self._job is not None and self._job.owner == os.getpid():
            recording.finish(time.time_ns(), failed=self._failed)
            try:
                self._job.stop()
                if self._followers:
                    recording.update()  # with no writer left, they end with the cell
            except OSError as error:  # the helper is gone, and there are no descriptors
                warnings.warn(
                    f"the end of the captured log cannot be had yet: {reason(error)}. "
                    "It is there once the log can be read",
                    RuntimeWarning,
                    stacklevel=2,
                )
            for follower in self._followers:
                follower.end_of_cell(self._patience, self._limit)
            self._followers.clear()
            self._job.drain.tell_news()

    def _is_over(self) -> None:
        self._stopped = True
        with contextlib.suppress(ValueError):  # a forked child has forgotten all
            _active.remove(self)

    def _roll_back(self) -> None:
        with deferred_interrupts(), contextlib.suppress(Exception):
            self._undo.close()
        self._stopped = True
        if self._captured is not None:
            self._captured.close()


def _flush_what_waits() -> None:
    """Write what Python and native code keep in their buffers: Python's was written first."""
    flush_quietly(process_stream("stdout"))
    flush_quietly(process_stream("stderr"))
    cstdio.flush_native()


def _flush_for_a_look() -> bool:
    """The same from a live view's thread, so far as nobody who is writing is disturbed.

    Returns whether something waited.
    """
    waited = bool(cstdio.waiting or cstdio.stdout_pending())
    flush_quietly(process_stream("stdout"))
    flush_quietly(process_stream("stderr"))
    cstdio.flush_beside_writers()
    return waited


def _place_for_late_output(fd: int) -> int | None:
    """Return a new descriptor for output that comes when nobody keeps it any more.

    Not the capture that this one is nested in: that would not be complete while the writer lives.
    In a kernel, descriptors 1 and 2 lead to a pipe of ipykernel's that ends with it; what it
    was started with is kept in its `OutStream`.
    """
    stream = process_stream(_NAMES[fd]) if fd in _NAMES else None
    behind = attribute_of(stream, "_original_stdstream_copy")
    if isinstance(behind, int):
        with contextlib.suppress(OSError):
            return fcntl.fcntl(behind, fcntl.F_DUPFD_CLOEXEC, 3)
    return dup_original(fd)
