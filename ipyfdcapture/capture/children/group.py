"""Child programs whose output is captured under a label each.

A child's stdout and stderr are two pipes that go to the drain which every capture has, so any
number of children needs no thread and cannot stall on a full pipe. What the child ``solver``
writes is recorded as ``solver/stdout`` and ``solver/stderr``: in the capture that is active when
it starts, or in a recording of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import resource
import select
import subprocess
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from ...checks import check_function, check_positive
from ...drain.choosing import get_drain
from ...drain.job import DrainJob, Pipe, PipeReservation
from ...errors import CaptureError, reason
from ...live.callback import LineTarget
from ...live.follower import Follower
from ...log.captured import Captured
from ...log.line import Line
from ...recording import spool
from ...recording.metadata import Metadata
from ...recording.recording import Recording
from ...system.interrupts import deferred_interrupts
from ...system.pipes import enlarge, open_pipe
from ..session import CaptureSession, current_capture

__all__ = ["Child", "Outcome", "Result", "attach", "popen", "run_all", "run_all_async"]

#: What `subprocess.Popen` takes as its first argument.
Args: TypeAlias = "str | bytes | os.PathLike[str] | Sequence[str | os.PathLike[str]]"
OnLine: TypeAlias = Callable[[Line], object]
_WORD = (str, bytes, os.PathLike)

#: Asked of the system for each pipe: 1 GB takes 0.5 s, with the usual 64 KiB 10 s. A capture's own
#: pipes are larger, but a user who is not root may have 64 MiB of pipes in all.
PIPE_BYTES = 512 << 10
_NAMES = ("stdout", "stderr")
#: Descriptors that one child takes: two pipes, one to wait for its end, and one to spare.
_FDS_PER_CHILD = 4
#: Descriptors that are left to the rest of the program.
_FDS_LEFT = 128
#: Where the system cannot tell when a child ends: how often to look.
_POLL_S = 0.02
_INTERVAL_S = 0.1


# -- one child --------------------------------------------------------------------------------


def popen(
    args: Args, *, label: str | None = None, on_line: OnLine | None = None, **options: Any
) -> Child:
    """Start a program whose stdout and stderr are captured under a label.

    Parameters
    ----------
    args
        The program and its arguments, as for `subprocess.Popen`.
    label
        What its lines are found by: ``logs.source(label)``. By default the program's name, with
        a number if the log has that already.
    on_line
        Called with each line as it comes, from another thread. An exception in it is reported
        and stops nothing.
    options
        Whatever else `subprocess.Popen` takes. A ``stdout`` or ``stderr`` given here is not
        captured; with ``stderr=subprocess.STDOUT`` both are, as ``label/stdout``, in exact order.

    Returns
    -------
    Child
        A `subprocess.Popen` with ``label`` and ``captured``.

    Raises
    ------
    ValueError
        ``label`` cannot name a source, or ``PIPE`` was asked for.
    CaptureError
        There is no active capture and no recording can be made.
    OSError
        The program cannot be started, or was killed because there are no descriptors left to empty
        its pipes by.
    """
    if subprocess.PIPE in (options.get("stdout"), options.get("stderr")):
        raise ValueError("popen captures stdout and stderr: PIPE is not possible (see attach)")
    args = _checked_args(args)
    if label is not None:
        _check_label(label)
    check_function("on_line", on_line)
    with _current_log() as log:
        return _start(log, args, label, on_line, options)


def attach(
    process: subprocess.Popen[Any], label: str, *, on_line: OnLine | None = None
) -> Captured:
    """Capture what a process writes to its pipes from now on.

    Takes over ``process.stdout`` and ``process.stderr``, which become None: nothing may have been
    read from them yet.

    Parameters
    ----------
    process
        Started with ``stdout=PIPE``, ``stderr=PIPE`` or both.
    label, on_line
        As for `popen`.

    Returns
    -------
    Captured
        The log that it goes to: the active capture's, or one of its own.

    Raises
    ------
    ValueError
        ``label`` cannot name a source, or the process has no pipes.
    CaptureError
        There is no active capture and no recording can be made.
    OSError
        There are no descriptors left to empty the pipes by; the process has them as before.
    """
    if not isinstance(process, subprocess.Popen):
        raise ValueError(f"attach takes a subprocess.Popen, not {process!r}")
    _check_label(label)
    check_function("on_line", on_line)
    streams = {name: getattr(process, name) for name in _NAMES}
    streams = {name: stream for name, stream in streams.items() if stream and not stream.closed}
    if not streams:
        raise ValueError("the process has no pipes: start it with stdout=PIPE and stderr=PIPE")
    with _current_log() as log, deferred_interrupts(), contextlib.ExitStack() as ours:
        read_ends = {}
        for name, stream in streams.items():
            read_ends[name] = fcntl.fcntl(stream, fcntl.F_DUPFD_CLOEXEC, 3)
            ours.callback(os.close, read_ends[name])
            enlarge(read_ends[name], PIPE_BYTES)
        ours.pop_all()
        log.add(label, read_ends, on_line)
        log.nothing_more_to_start()
        for name, stream in streams.items():
            stream.close()
            setattr(process, name, None)
    return log.captured


class Child(subprocess.Popen[Any]):
    """A program whose output is captured. Made by `popen`.

    Attributes
    ----------
    label
        What its output is found by.
    """

    label: str = ""
    _log: _Log | None = None

    @property
    def captured(self) -> Captured:
        """What it has written so far: the lines of its label in the log that it goes to."""
        assert self._log is not None
        self.poll()
        return self._log.of_children()

    def poll(self) -> int | None:
        """See `subprocess.Popen.poll`."""
        returncode = super().poll()
        if returncode is not None and self._log is not None:
            self._log.note_end()
        return returncode

    def wait(self, timeout: float | None = None) -> int:
        """See `subprocess.Popen.wait`."""
        returncode = super().wait(timeout)
        self.poll()
        return returncode


def _start(
    log: _Log, args: Args, label: str | None, on_line: OnLine | None, options: dict[str, Any]
) -> Child:
    if label is None:
        label = _labels_of(log.captured.recording).take(_program_name(args))
    read_ends: dict[str, int] = {}
    with (
        deferred_interrupts(),  # a child whose pipes nobody empties would hang
        contextlib.ExitStack() as ours,
        contextlib.ExitStack() as theirs,
    ):
        for name in _NAMES:
            if options.get(name) is None:
                read_ends[name], write_end = open_pipe(PIPE_BYTES)
                ours.callback(os.close, read_ends[name])
                theirs.callback(os.close, write_end)
                options = {**options, name: write_end}
        child = Child(args, **options)
        ours.pop_all()
        child.label = label
        try:
            log.add(label, read_ends, on_line)
        except BaseException:
            with child:
                child.kill()  # nobody would empty its pipes
            raise
        child._log = log
        log.nothing_more_to_start()
    return child


def _checked_args(args: Args) -> Args:
    """Return a program and its arguments, read once: some iterables cannot be read again."""
    if isinstance(args, Iterable) and not isinstance(args, (*_WORD, Sequence)):
        args = list(args)
    words: Any = args if isinstance(args, Sequence) and not isinstance(args, _WORD) else [args]
    if not words or not all(isinstance(word, _WORD) for word in words):
        raise ValueError(f"a program and its arguments are str, bytes or paths, not {args!r}")
    if any("\0" in os.fsdecode(word) for word in words):
        raise ValueError(f"no argument of a program can hold a null byte: {args!r}")
    return args


def _program_name(args: Args) -> str:
    first = args if isinstance(args, _WORD) else args[0]
    words = os.fsdecode(first).split() if isinstance(args, (str, bytes)) else [os.fsdecode(first)]
    name = os.path.basename(words[0]) if words else ""
    return name if name and name.isprintable() else "child"


def _check_label(label: Any) -> None:
    if not isinstance(label, str) or not label.strip("/") or not label.isprintable():
        raise ValueError(f"a label is a printable str that is not empty, not {label!r}")
    if label.split("/")[0] in _NAMES:
        raise ValueError(f"label {label!r} means this process's own {label}: take another")


# -- many children ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """What became of one child of `run_all`."""

    label: str
    args: Any
    #: As in `subprocess.Popen`: negative for a signal. None if it could not be started.
    returncode: int | None
    #: Why it could not be started.
    error: OSError | None
    #: How long it ran, in seconds.
    duration: float


class Outcome(NamedTuple):
    """What `run_all` returns."""

    results: list[Result]
    captured: Captured


def run_all(
    commands: Iterable[Args] | Mapping[str, Args],
    *,
    max_parallel: int | None = None,
    on_line: OnLine | None = None,
    **options: Any,
) -> Outcome:
    """Run many programs at once, and wait for all of them.

    If it is left by an exception, such as an interrupt, the programs that run are killed.

    Parameters
    ----------
    commands
        The programs with their arguments, each as for `popen`; or a dictionary of them by label.
    max_parallel
        How many run at a time. None: all at once, as far as descriptors suffice.
    on_line
        Called with each line of each, as in `popen`.
    options
        Given to `subprocess.Popen` for each.

    Returns
    -------
    Outcome
        ``results``, a `Result` each in the order of ``commands``, also for programs that could not
        be started, and ``captured``, what all of them wrote. It is in the active capture too, if
        there is one.

    Raises
    ------
    ValueError
        A label cannot name a source, ``max_parallel`` is less than 1, or ``PIPE`` was asked for.
    CaptureError
        There is no active capture and no recording can be made.
    """
    with _Group(commands, max_parallel, on_line, options) as group:
        while group.advance():
            group.wait_for_an_end()
        return group.outcome()


async def run_all_async(
    commands: Iterable[Args] | Mapping[str, Args],
    *,
    max_parallel: int | None = None,
    on_line: OnLine | None = None,
    **options: Any,
) -> Outcome:
    """`run_all` for `asyncio`: other tasks run meanwhile, and a cancellation kills the programs."""
    with _Group(commands, max_parallel, on_line, options) as group:
        while group.advance():
            await group.wait_for_an_end_async()
        return group.outcome()


class _Group:
    """Programs that are run together, some of them at a time, in a ``with`` block.

    If that fails, those that run are killed.
    """

    def __init__(
        self,
        commands: Iterable[Args] | Mapping[str, Args],
        max_parallel: int | None,
        on_line: OnLine | None,
        options: dict[str, Any],
    ) -> None:
        check_positive("max_parallel", max_parallel, none=True)
        check_function("on_line", on_line)
        if subprocess.PIPE in (options.get("stdout"), options.get("stderr")):
            raise ValueError("run_all captures stdout and stderr: PIPE is not possible")
        self._max_parallel = max_parallel or _room_for_children()
        self._on_line = on_line
        self._options = options
        commands = _checked_commands(commands)
        self._log = _current_log(of_a_group=True)
        self._results: dict[int, Result] = {}
        self._waiting = deque(enumerate(_labelled(commands, self._log)))
        self._running: dict[int, _Running] = {}

    def __enter__(self) -> _Group:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._log:
            if kind is not None:
                self._give_up()

    def advance(self) -> bool:
        """Note who has ended, start who may start; tell whether any runs."""
        # An interrupted `Popen.poll` may keep its lock, and the next would wait for it for ever.
        with deferred_interrupts():
            for number, running in list(self._running.items()):
                if running.has_ended():
                    self._results[number] = running.result()
                    del self._running[number]
        while self._waiting and len(self._running) < self._max_parallel:
            number, (label, args) = self._waiting.popleft()
            self._start(number, label, args)
        return bool(self._running)

    def _start(self, number: int, label: str, args: Args) -> None:
        started = time.monotonic()
        with deferred_interrupts():  # one that is started is one that is killed
            try:
                child = _start(self._log, args, label, self._on_line, self._options)
            except OSError as error:
                self._results[number] = Result(label, args, None, error, 0.0)
            else:
                self._running[number] = _Running(child, started)
        # Lets go of the pipes of those that have ended.
        self._log.captured.recording.update()

    def wait_for_an_end(self) -> None:
        """Return when a program may have ended."""
        waiter = select.poll()
        for running in self._running.values():
            if running.pidfd is None:
                time.sleep(_POLL_S)
                return
            waiter.register(running.pidfd, select.POLLIN)
        waiter.poll()

    async def wait_for_an_end_async(self) -> None:
        """Return when a program may have ended."""
        import asyncio  # heavy, and of use here alone

        pidfds = [each.pidfd for each in self._running.values() if each.pidfd is not None]
        if len(pidfds) < len(self._running):
            await asyncio.sleep(_POLL_S)
            return
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        for pidfd in pidfds:
            loop.add_reader(pidfd, ended.set)
        try:
            await ended.wait()
        finally:
            for pidfd in pidfds:
                loop.remove_reader(pidfd)

    def outcome(self) -> Outcome:
        """Return what became of all."""
        self._log.end_group()
        results = [self._results[number] for number in sorted(self._results)]
        return Outcome(results, self._log.of_children())

    def _give_up(self) -> None:
        """Kill those that still run; nobody will have what they wrote.

        One that may not be killed (sudo makes such) is left alone.
        """
        killed: list[Child] = []
        with deferred_interrupts():
            for running in self._running.values():
                with contextlib.suppress(OSError):
                    running.child.kill()
                    killed.append(running.child)
            for child in killed:
                child.wait()
            for running in self._running.values():
                running.close()
            self._running.clear()
            self._log.give_up()


class _Running:
    """A program of a group that runs."""

    def __init__(self, child: Child, started: float) -> None:
        self.child = child
        #: Becomes readable when the program ends. None if the system has no such thing.
        self.pidfd: int | None = None
        self._started = started
        with contextlib.suppress(OSError, AttributeError):
            self.pidfd = os.pidfd_open(child.pid)

    def has_ended(self) -> bool:
        return self.child.poll() is not None

    def result(self) -> Result:
        self.close()
        child = self.child
        duration = time.monotonic() - self._started
        return Result(child.label, child.args, child.returncode, None, duration)

    def close(self) -> None:
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None


def _checked_commands(
    commands: Iterable[Args] | Mapping[str, Args],
) -> list[Args] | dict[str, Args]:
    if isinstance(commands, Mapping):
        for label in commands:
            _check_label(label)
        return {label: _checked_args(args) for label, args in commands.items()}
    if isinstance(commands, _WORD) or not isinstance(commands, Iterable):
        raise ValueError(f"commands are several programs with their arguments, not {commands!r}")
    return [_checked_args(args) for args in commands]


def _labelled(commands: list[Args] | dict[str, Args], log: _Log) -> Iterable[tuple[str, Args]]:
    if isinstance(commands, dict):
        return commands.items()
    labels = _labels_of(log.captured.recording)
    return [(labels.take(_program_name(args)), args) for args in commands]


class _Labels:
    """The labels that a recording has."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._used = {source.rpartition("/")[0] for source in sources}.union(_NAMES)
        self._numbers: dict[str, Iterator[int]] = {}

    def take(self, name: str) -> str:
        """Return ``name``, with a number if that is used."""
        with _lock:
            label = name
            while label in self._used:
                label = f"{name}-{next(self._numbers.setdefault(name, itertools.count(2)))}"
            self._used.add(label)
            return label

    def note(self, label: str) -> None:
        """A child has it."""
        self._used.add(label)


def _labels_of(recording: Recording) -> _Labels:
    with _lock:
        if recording not in _labels:
            _labels[recording] = _Labels(recording.sources)
        return _labels[recording]


#: Kept, because to look through thousands of sources for each of thousands of children is slow.
_labels: weakref.WeakKeyDictionary[Recording, _Labels] = weakref.WeakKeyDictionary()


def _room_for_children() -> int:
    """Return how many children this process has descriptors for."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        soft = 1 << 20
    return int(max(1, (soft - _FDS_LEFT) // _FDS_PER_CHILD))


# -- where they are recorded --------------------------------------------------------------------

_lock = threading.Lock()


def _current_log(of_a_group: bool = False) -> _Log:
    """Return the active capture's log, or a new one."""
    capture = current_capture()
    if capture is not None and capture.job and not capture.captured.recording.closed:
        reservation = capture.job.reserve()
        if reservation is not None:  # else: it is just over
            return _Log(capture.captured, capture.job, capture, reservation)
    return _new_log(of_a_group)


def _new_log(of_a_group: bool) -> _Log:
    metadata = Metadata(started=time.time_ns(), process=os.getpid())
    with deferred_interrupts():
        place = spool.open_spool()
        drain = get_drain("auto")
        try:
            recording, data, index = Recording.create(place.path, metadata)
            job = drain.record(recording, place, (data, index), None)
        except OSError as error:
            raise CaptureError(f"cannot capture: {reason(error)}") from error
        return _Log(Captured(recording), job, None, None, of_a_group)


class _Log:
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
        self._callbacks: _Callbacks | None = None

    def __enter__(self) -> _Log:
        return self

    def __exit__(self, *_: object) -> None:
        if self._reservation is not None:
            self._reservation.close()

    def add(self, label: str, read_ends: dict[str, int], on_line: OnLine | None) -> None:
        """Have pipes emptied into it, by their names; takes them over, also if it fails."""
        recording = self.captured.recording
        sources = [f"{label}/{name}" for name in read_ends]
        labels = _labels_of(recording)
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
            pipes = [Pipe(first + i, read_end) for i, read_end in enumerate(read_ends.values())]
            self._sources.update(pipe.source for pipe in pipes)
            self._job.add(pipes)

    def _get_callbacks(self) -> _Callbacks:
        if self._capture is None:
            self._callbacks = self._callbacks or _Callbacks(self.captured.recording, None)
            return self._callbacks
        if self._capture not in _callbacks:
            _callbacks[self._capture] = _Callbacks(self.captured.recording, self._capture)
        self._callbacks = _callbacks[self._capture]
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
            self.captured.recording.finish(time.time_ns())

    def end_group(self) -> None:
        """All children of a group have ended."""
        recording = self.captured.recording
        with deferred_interrupts():
            if self._capture is None:
                recording.finish(time.time_ns())
                self._job.stop()
        recording.update()
        if self._callbacks is not None:
            self._callbacks.catch_up()

    def give_up(self) -> None:
        """A group has failed: delete the log, unless it is a capture's."""
        if self._capture is None:
            self.captured.close()


class _Callbacks:
    """The thread that gives one recording's lines to the functions of its children."""

    def __init__(self, recording: Recording, capture: CaptureSession | None) -> None:
        self._functions: dict[str, OnLine] = {}
        target = LineTarget(self._give_line)
        if capture is not None:
            self._follower = capture.follow("on_line", target)
            self.catch_up = self._follower.catch_up
            return
        self._follower = Follower(recording, target, _INTERVAL_S, "on_line")
        self._follower.start()
        self._follower.capture_ended()  # there is none: it ends with the last writer
        #: Returns when all lines that are recorded by now were given.
        self.catch_up = self._follower.capture_ended

    def give(self, sources: Iterable[str], function: OnLine) -> None:
        """Give the lines of ``sources`` to ``function``."""
        self._functions.update(dict.fromkeys(sources, function))

    def _give_line(self, line: Line) -> None:
        function = self._functions.get(line.source)
        if function is not None:
            function(line)


#: All children of a capture share one.
_callbacks: weakref.WeakKeyDictionary[CaptureSession, _Callbacks] = weakref.WeakKeyDictionary()


def _forget_after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    _callbacks.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
