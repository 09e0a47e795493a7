"""A capture session: what ties redirections, streams, drain, recording and live views together.

It does what its `CaptureOptions` say, once. What its start does is undone at its end in the order
of `AtEnd`, each step by itself, so that one that fails leaves none of the others out.
"""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import fcntl
import functools
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from ..drain.choosing import gather_kept, get_drain
from ..drain.drain import Drain
from ..drain.job import DrainJob, Pipe
from ..errors import CaptureError, reason
from ..log.captured import Captured
from ..output import cstdio, redirect, router
from ..output.foreign import encoding_of, error_handler_of
from ..output.late import open_late_output
from ..output.redirect import ClosedStandardDescriptors, Redirection
from ..output.streams import PythonCapture, follow_descriptor, pin_to_pipe
from ..output.writing import plain_stream
from ..recording import spool
from ..recording.recording import Recording
from ..recording.tail_reader import end_of
from ..system import clock
from ..system.descriptors import STREAM_NAMES, Descriptor, duplicate
from ..system.forking import Stage, at_fork, fork_safe_lock
from ..system.interrupts import deferred_interrupts, undivided
from ..system.pipes import open_pipe
from ..system.threads import Counter, around_emptying
from .flushing import flush_all, flush_for_a_look
from .kept_logs import kept_logs
from .late_log import LateLog
from .new_recording import create_recording
from .options import CaptureOptions
from .undo import AtEnd, UndoList

if TYPE_CHECKING:  # imported where a capture has such: most have none
    from ..live.follower import Follower
    from ..live.target import Target
    from ..system.terminals import Size
    from .terminal_watch import TerminalWatch

#: Asked of the system for each pipe: on bulk output four times as fast as the usual 64 KiB.
PIPE_BYTES = 1 << 20

_serials = Counter()
around_emptying.append(functools.partial(router.outside, 0, redirect.dup_base))
_watch_lock = fork_safe_lock()
_active: list[CaptureSession] = []
at_fork(Stage.STATE, in_child=_active.clear)

#: Called with each session once it has started: what else belongs into its log is put there.
on_start: list[Callable[[CaptureSession], object]] = []


@atexit.register
def _stop_all() -> None:
    """Stop what is active while the threads that it needs still run."""
    with contextlib.ExitStack() as ending:
        for session in list(_active):
            ending.callback(session.stop, failed=True)


def current_capture() -> CaptureSession | None:
    """Return the active capture, the newest if there are several."""
    newest = _active[-1:]  # in one step: others may end meanwhile
    return newest[0] if newest else None


class CaptureSession:
    """One capture, from its start to its stop."""

    def __init__(self, options: CaptureOptions) -> None:
        self.options = options
        self._metadata = options.metadata()
        self._undo = UndoList()
        self._started = self._is_ending = self._stopped = False
        self._failed = self._interrupted = False
        self._captured: Captured | None = None
        self._drain: Drain | None = None
        self._job: DrainJob | None = None
        self._place: spool.Spool | None = None
        self._late_log: LateLog | None = None
        self._write_ends: dict[int, int] = {}
        self._redirections: dict[int, Redirection] = {}
        self._paused: dict[int, Descriptor] = {}  # the write ends, by descriptor
        self._python: PythonCapture | None = None
        #: With ``keep_originals``: duplicates of what the descriptors were, while it runs.
        self.originals: dict[int, Descriptor] = {}
        self._outputs: list[dict[str, Any]] = []
        self._followers: list[Follower] = []
        #: Captures that start later have higher numbers.
        self.serial = 0
        self._context = contextvars.Context()  # of whoever started it
        self._begins_at = 0  # what comes before was copied from another log
        self._limit: float | None = None
        self._size: Size | None = None  # of its terminals, if it has some
        self._watch: TerminalWatch | None = None

    @property
    def captured(self) -> Captured:
        """What was captured so far. Raises `RuntimeError` before the start."""
        if self._captured is None:
            raise RuntimeError("the capture has not started")
        return self._captured

    def _copy_kept(self) -> None:
        """Have recorded here, too, what processes write that earlier captures started."""
        job = self._job
        if job is None or self.captured.recording.closed:
            return
        job.is_seen = any(follower.is_seen for follower in self._followers)
        if self._drain is not None and self is current_capture():
            gather_kept(self._drain)
        job.copy_kept(self.captured.recording)

    def follow(self, name: str, target: Target) -> Follower:
        """Show what is captured on one more target, from the beginning of the capture on."""
        from ..live.follower import Follower
        from ..output.runtimes.loaded import tie_iostreams

        recording = self.captured.recording
        if not self._followers:
            self._undo.add(AtEnd.IOSTREAMS, tie_iostreams())
        # Not by way of this object: a target that goes on would keep the log.
        dup_base = functools.partial(_dup_original, self._redirections)
        follower = Follower(
            recording,
            target,
            self.options.live_interval,
            name,
            flush_for_a_look,
            self._begins_at,
            functools.partial(router.outside, self.serial, dup_base),
        )
        # What it prints does not go to this capture, nor to a stream that this put in a context.
        self._context.copy().run(follower.start)
        self._followers.append(follower)
        if self._late_log is not None and follower.is_seen:
            self._late_log.is_seen = True
        if self._job is not None:
            self._job.wake(follower.waker)
        if self._is_ending:  # in another thread, which may have passed over what is new
            self._undo.run()
            with contextlib.suppress(OSError):  # the log cannot be had yet; then it ends later
                recording.update()
            self._end_follower(follower)
        return follower

    def before_end(self, function: Callable[[], object]) -> None:
        """Have a function called at the end, while everything still goes to the log."""
        self._undo.add(AtEnd.FLUSH, function)

    @property
    def job(self) -> DrainJob | None:
        """The drain's hold on the recording; None before the start."""
        return self._job

    def catch_up(self) -> None:
        """Have everything that was written so far shown where the user looks."""
        seen = [follower for follower in self._followers if follower.is_seen]
        if seen and self._job is not None:
            flush_all()
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
            with undivided():
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
        self.serial = _serials.next()
        self._context = contextvars.copy_context()
        for fd in self.options.descriptors:
            if fd > 2:
                fcntl.fcntl(fd, fcntl.F_GETFD)  # closed by now? Then one of ours must not be it
        flush_all()
        for outer in list(_active):
            outer.catch_up()
        with ClosedStandardDescriptors() as closed:
            self._start_recording(closed)
            self._swap_descriptors(closed)
        if self.options.keep_originals:
            self._duplicate_originals()
        self._capture_python()
        for fd in self.options.descriptors:
            follow_descriptor(STREAM_NAMES.get(fd))
        self._start_followers()
        self._copy_kept()
        for add_to in on_start:
            add_to(self)
        cstdio.install_hooks()
        self._undo.add(AtEnd.HOOKS, cstdio.remove_hooks)
        if self.options.display:
            from ..output.displays import capture_displays

            is_live = any(follower.is_seen for follower in self._followers)
            self._undo.add(AtEnd.DISPLAYS, capture_displays(self._outputs, is_live))
        self._undo.add(AtEnd.FLUSH, flush_all)
        if self._size is not None:
            self._begin_terminals(self._size)

    def _start_recording(self, closed: ClosedStandardDescriptors) -> None:
        """Have pipes that nothing leads to yet drained into a new recording."""
        place = self._place = spool.open_spool(self.options.spool_dir)
        drain = self._drain = get_drain(self.options.drain)
        self._undo.add(AtEnd.DRAIN, drain.close_if_idle)
        recording, files = create_recording(self.options, self._metadata, place.path)
        self._captured = Captured(recording, self._outputs)
        self._undo.add(AtEnd.WRITE_ENDS, self._close_write_ends)
        try:
            if self.options.append_to is not None:
                self._begins_at = end_of(recording)
                self._outputs += self.options.append_to._outputs
            pipes = self._open_pipes(closed)
        except BaseException:
            for file in files:
                os.close(file)
            raise
        self._job = drain.record(
            recording, place, files, self.options.crash_dir, pipes, is_capture=True
        )
        self._job.before_look = flush_for_a_look
        self._undo.add(AtEnd.RECORDING, functools.partial(self._end_recording, recording))
        _active.append(self)
        self._undo.add(AtEnd.ACTIVE, self._is_over)

    def _open_pipes(self, closed: ClosedStandardDescriptors) -> list[Pipe]:
        """Open a pipe for each descriptor; return their read ends."""
        pipes: list[Pipe] = []
        try:
            for fd in self.options.descriptors:
                if self.options.is_merged and fd == 2:
                    first = self._write_ends[1]
                    self._write_ends[2] = duplicate(first)
                    continue
                read_end, self._write_ends[fd] = self._open_pipe(fd)
                pipes.append(Pipe(len(pipes), read_end, self._metadata.sources[len(pipes)]))
                original = None if fd in closed else open_late_output(fd)
                if original is not None:
                    pipes[-1].set_original(original)
        except BaseException:
            for pipe in pipes:
                pipe.close()
            raise
        return pipes

    def _open_pipe(self, fd: int) -> tuple[int, int]:
        """Open what a descriptor is to lead to: a pipe or, with ``tty``, a terminal."""
        if not self.options.tty or fd not in STREAM_NAMES:
            return open_pipe(PIPE_BYTES)
        from ..system.terminals import open_terminal
        from .terminals import choose_size

        self._size = self._size or choose_size(self.options.tty_size, fd)
        return open_terminal(self._size)

    def watch_terminals(self) -> TerminalWatch:
        """Return what watches the terminals of this capture, and of children that go to its log."""
        from .terminal_watch import TerminalWatch

        with _watch_lock:
            if self._watch is None:
                # Not by way of this object, as for `follow`.
                dup_base = functools.partial(_dup_original, self._redirections)
                self._watch = TerminalWatch(
                    self.options.tty_size,
                    dup_base,
                    any(follower.is_seen for follower in self._followers),
                    functools.partial(router.outside, self.serial, dup_base),
                    self._context,
                )
                self._undo.add(AtEnd.TERMINAL, self._watch.stop)
            if self._is_ending:  # in another thread, which may have passed over it
                self._watch.stop()
            return self._watch

    def _begin_terminals(self, size: Size) -> None:
        from ..system.terminals import name_of
        from .terminals import set_variables

        watch = self.watch_terminals()
        self._undo.add(AtEnd.TERMINAL, set_variables(size, watch.may_change))
        self._undo.add(AtEnd.TERMINAL, cstdio.buffer_lines())
        for fd in STREAM_NAMES.keys() & self._redirections.keys():
            watch.add(self._redirections[fd].write_end, name_of(fd))

    def _close_write_ends(self) -> None:
        while self._write_ends:
            os.close(self._write_ends.popitem()[1])

    def _swap_descriptors(self, closed: ClosedStandardDescriptors) -> None:
        for fd in self.options.descriptors:
            closed.give_way(fd)
            self._undo.add(AtEnd.DESCRIPTORS, functools.partial(self._end_redirection, fd))
            with router.lock:  # a capture in another thread must not follow in between
                pin_to_pipe(STREAM_NAMES.get(fd))
                self._redirections[fd] = Redirection(fd, self._write_ends[fd])
            del self._write_ends[fd]  # it belongs to the redirection now

    def _end_redirection(self, fd: int) -> None:
        if fd in self._redirections:  # else it could not begin
            self._redirections[fd].undo()
        follow_descriptor(STREAM_NAMES.get(fd))
        if fd in self._paused:
            self._paused.pop(fd).close()

    def _duplicate_originals(self) -> None:
        self._undo.add(AtEnd.ORIGINALS, self._close_originals)
        for fd, redirection in self._redirections.items():
            original = redirection.dup_original()
            if original is not None:
                self.originals[fd] = Descriptor(original)

    def _close_originals(self) -> None:
        while self.originals:
            self.originals.popitem()[1].close()

    def pause(self) -> None:
        """Let output through to where it went before, until `resume`."""
        if not self.is_active:
            return
        with deferred_interrupts():
            flush_all()
            for fd, redirection in self._redirections.items():
                if fd not in self._paused and redirection.write_end.is_ours():
                    kept = Descriptor.duplicate_of(redirection.write_end)
                    redirection.undo()
                    if self._python is not None:
                        self._python.pause(fd, kept)
                    self._paused[fd] = kept

    def resume(self) -> None:
        """Go on capturing after `pause`."""
        if not self.is_active:
            return
        with deferred_interrupts():
            flush_all()
            for fd in list(self._paused):
                if self._paused[fd].is_ours():
                    self._redirections[fd] = Redirection(fd, self._paused[fd])
                    if self._python is not None:
                        self._python.resume(fd, self._redirections[fd].write_end)
                del self._paused[fd]

    def lead_to(self, write_ends: Mapping[int, Descriptor]) -> dict[int, Descriptor]:
        """Lead captured descriptors to other pipes from now on, and own their write ends.

        Returns the write ends of the pipes before, by descriptor, which the caller owns now.
        Raises `OSError` with nothing changed.
        """
        former: dict[int, Descriptor] = {}
        with deferred_interrupts(), contextlib.ExitStack() as undoing:
            for fd, write_end in write_ends.items():
                former[fd] = self._lead_to(fd, write_end)
                undoing.callback(self._lead_to, fd, former[fd])
            undoing.pop_all()
        return former

    def _lead_to(self, fd: int, write_end: Descriptor) -> Descriptor:
        pipes = [] if self._job is None else list(self._job.pipes.values())
        former = self._redirections[fd].lead_to(write_end, [pipe.descriptor for pipe in pipes])
        if self._python is not None:
            self._python.point_to(fd, write_end)
        return former

    def _start_followers(self) -> None:
        options = self.options
        if options.live:
            self._start_targets(options)
        if any(follower.is_seen for follower in self._followers):
            from ..live.display_order import keep_order

            self._undo.add(AtEnd.DISPLAY_ORDER, keep_order(self))
        elif self._python is not None:
            self._python.pass_by_records()

    def _start_targets(self, options: CaptureOptions) -> None:
        from ..live.target import TargetContext

        context = TargetContext(
            frozenset(options.descriptors),
            self.dup_original,
            options.live_max_bytes,
            options.live_max_lines,
            options.tail_lines,
            options.name,
        )
        for name, make, _ in options.live:
            target = make(context)
            try:
                self.follow(name, target)
            except BaseException:
                target.close()
                raise

    def dup_original(self, fd: int) -> int | None:
        """Return a new descriptor for what ``fd`` was before; None if closed or not captured."""
        return _dup_original(self._redirections, fd)

    def _capture_python(self) -> None:
        options = self.options
        names = {
            fd: self._metadata.sources[options.descriptors.index(1 if options.is_merged else fd)]
            for fd in options.descriptors
            if fd in STREAM_NAMES
        }
        assert self._place is not None
        self._late_log = LateLog(self.captured.recording, options.drain, self._place, names)
        python = PythonCapture(self.serial, options.of_cell, options.may_stand_in, self._late_log)
        self._undo.add(AtEnd.STREAMS, python.undo)
        self._undo.add(AtEnd.ROUTES, python.remove_routes)
        for fd in options.descriptors:
            if fd in STREAM_NAMES:
                pipe = self._redirections[fd].write_end if options.python else None
                open_base = functools.partial(self._open_base, fd)
                python.add(fd, pipe, options.encoding, open_base)
        python.begin()
        self._python = python

    def _open_base(self, fd: int, original: Any) -> TextIO | None:
        """Return a new stream on what a descriptor would be without this capture."""
        base = self.dup_original(fd)
        if base is None:
            return None
        encoding = encoding_of(original, self.options.encoding)
        return plain_stream(base, STREAM_NAMES[fd], encoding, error_handler_of(original))

    def stop(
        self, failed: bool = False, limit: float | None = None, interrupted: bool = False
    ) -> Captured:
        """End: put everything back, and have everything recorded that was written so far.

        Does not wait for children that live on; what they write later arrives later.

        Parameters
        ----------
        failed
            Whether what was captured ended in an error.
        limit
            How long (s) to wait for each live target. None: as long as it makes progress.
        interrupted
            Whether that error was an interrupt.
        """
        captured = self.captured
        self._limit = limit
        with undivided():
            self._is_ending = True
            if not self._stopped:
                self._failed, self._interrupted = failed, interrupted
            self._undo.run()
            self._python = None  # it refers to this object: the circle would keep the log
        return captured

    def stop_as_forgotten(self, limit: float | None = None) -> None:
        """Stop because nobody holds the capture any more: called anywhere, also amid drains."""

        def again() -> None:
            self.stop_as_forgotten(limit)

        job = self._job
        if self.is_active and (job is None or not job.drain.postpones(again)):
            self.stop(failed=True, limit=limit)

    def _end_recording(self, recording: Recording) -> None:
        """The last step: the descriptors are back, so what was written is in the pipes."""
        job = self._job
        if job is None or job.owner != os.getpid():
            return
        recording.finish(clock.time_ns(), failed=self._failed, interrupted=self._interrupted)
        followed = bool(self._followers)
        with contextlib.ExitStack() as ending:  # a warning may be an error: nothing is left out
            ending.callback(job.drain.notices.show)
            while self._followers:
                ending.callback(self._end_follower, self._followers.pop())
            try:
                job.stop()
                # With no writer left, the followers end with the cell. A terminal may have to be
                # read into the memory of the pump: whether all is in the files, only that can tell.
                if followed and not (job.is_done and self._watch is None):
                    recording.update()
            except OSError as error:  # the helper is gone, and there are no descriptors
                job.drain.notices.add(
                    f"the end of the captured log cannot be had yet: {reason(error)}. It is there "
                    "once the log can be read"
                )
            if job.state.writing:
                kept_logs.add(recording)
                for session in reversed(list(_active)):
                    session._copy_kept()

    def _end_follower(self, follower: Follower) -> None:
        try:
            if self._limit is None:
                follower.capture_ended()
            else:
                follower.capture_ended(self._limit, self._limit)
        finally:
            if not self.options.live_after_end:
                follower.abandon()
                job = self._job
                if job is not None and job.awaits_answer and not job.is_done:
                    job.drain.notices.add(
                        f"the live target {follower.name} was not given what was not recorded by "
                        "the end of the capture. The log has it once it is"
                    )

    def _is_over(self) -> None:
        self._stopped = True
        with contextlib.suppress(ValueError):  # a forked child has forgotten all
            _active.remove(self)

    def _roll_back(self) -> None:
        with undivided(), contextlib.suppress(Exception):
            self._undo.run()
        self._stopped = True
        if self._captured is not None:
            self._captured.close()


def _dup_original(redirections: dict[int, Redirection], fd: int) -> int | None:
    redirection = redirections.get(fd)
    return None if redirection is None else redirection.dup_original()
