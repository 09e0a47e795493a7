"""Child programs whose output is captured under a label each.

A child's stdout and stderr are two pipes that go to the drain which every capture has, so any
number of children needs no thread and cannot stall on a full pipe. What the child ``solver``
writes is recorded as ``solver/stdout`` and ``solver/stderr``: in the capture that is active when
it starts, or in a recording of its own.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from ...checks import check_flags, check_function
from ...log.captured import Captured
from ...system.descriptors import duplicate
from ...system.interrupts import deferred_interrupts
from ...system.pipes import enlarge, open_pipe
from ...system.terminals import name_of, open_terminal
from ..terminals import variables
from .callbacks import OnLine
from .child_log import ChildLog, current_log
from .labels import NAMES, WORD, check_label, labels_of, program_name

#: What `subprocess.Popen` takes as its first argument.
Args: TypeAlias = "str | bytes | os.PathLike[str] | Sequence[str | os.PathLike[str]]"

#: Asked of the system for each pipe: 1 GB takes 0.5 s, with the usual 64 KiB 10 s. A capture's own
#: pipes are larger, but a user who is not root may have 64 MiB of pipes in all.
PIPE_BYTES = 512 << 10


def popen(
    args: Args,
    *,
    label: str | None = None,
    on_line: OnLine | None = None,
    tty: bool = False,
    **options: Any,
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
    tty
        Whether its stdout and stderr are terminals in place of pipes, as in `capture_fd`: as large
        as the user's, whose size they follow. It is told so in its environment.
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
    args = checked_args(args)
    if label is not None:
        check_label(label)
    check_function("on_line", on_line)
    check_flags(tty=tty)
    with current_log() as log:
        return start_child(log, args, label, on_line, tty, options)


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
    check_label(label)
    check_function("on_line", on_line)
    streams = {name: getattr(process, name) for name in NAMES}
    streams = {name: stream for name, stream in streams.items() if stream and not stream.closed}
    if not streams:
        raise ValueError("the process has no pipes: start it with stdout=PIPE and stderr=PIPE")
    with current_log() as log, deferred_interrupts(), contextlib.ExitStack() as ours:
        read_ends = {}
        for name, stream in streams.items():
            read_ends[name] = duplicate(stream.fileno())
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
    _log: ChildLog | None = None

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


def start_child(
    log: ChildLog,
    args: Args,
    label: str | None,
    on_line: OnLine | None,
    tty: bool,
    options: dict[str, Any],
) -> Child:
    """Start a program whose output goes to ``log``, see `popen`."""
    if label is None:
        label = labels_of(log.captured.recording).take(program_name(args))
    watch = log.watch_terminals() if tty else None
    if watch is not None:
        environment = os.environ if options.get("env") is None else options["env"]
        added = variables(watch.size, environment, watch.may_change)
        options = {**options, "env": {**environment, **added}}
    read_ends: dict[str, int] = {}
    terminals: list[str] = []
    with (
        deferred_interrupts(),  # a child whose pipes nobody empties would hang
        contextlib.ExitStack() as ours,
        contextlib.ExitStack() as theirs,
    ):
        for name in NAMES:
            if options.get(name) is None:
                ends = open_terminal(watch.size) if watch else open_pipe(PIPE_BYTES)
                read_ends[name], write_end = ends
                ours.callback(os.close, read_ends[name])
                theirs.callback(os.close, write_end)
                if watch:
                    terminals.append(name_of(write_end))
                options = {**options, name: write_end}
        child = Child(args, **options)
        ours.pop_all()
        child.label = label
        try:
            pipes = log.add(label, read_ends, on_line)
        except BaseException:
            with child:
                child.kill()  # nobody would empty its pipes
            raise
        child._log = log
        if watch:
            for pipe, terminal in zip(pipes, terminals, strict=True):
                watch.add(pipe.descriptor, terminal)
        log.nothing_more_to_start()
    return child


def checked_args(args: Args) -> Args:
    """Return a program and its arguments, read once: some iterables cannot be read again."""
    if isinstance(args, Iterable) and not isinstance(args, (*WORD, Sequence)):
        args = list(args)
    words: Any = args if isinstance(args, Sequence) and not isinstance(args, WORD) else [args]
    if not words or not all(isinstance(word, WORD) for word in words):
        raise ValueError(f"a program and its arguments are str, bytes or paths, not {args!r}")
    if any("\0" in os.fsdecode(word) for word in words):
        raise ValueError(f"no argument of a program can hold a null byte: {args!r}")
    return args
