"""`run_ranks`: a parallel program, each of its ranks a source of one log."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..capture.children.child import Args, checked_args
from ..capture.children.child_log import current_log
from ..capture.options import live_targets
from ..capture.session import current_capture
from ..checks import check_function, check_positive
from ..errors import CaptureError, reason
from ..live.follower import Follower
from ..live.target import Target, TargetContext
from ..log.captured import Captured
from ..log.line import Line
from ..recording import spool
from ..recording.copying import ChunkAppender
from ..recording.metadata import Metadata
from ..recording.recording import Recording, State, Writing
from ..system import clock
from ..system.interrupts import deferred_interrupts
from .captured_cells import IntoCapture
from .launchers import Launcher, RankFile, choose

_POLL_S = 0.05
_READ_BYTES = 1 << 20
#: A launcher that is told to end has ended its ranks by then.
_END_S = 5.0
_LAUNCHER = ("launcher/stdout", "launcher/stderr")
#: Each takes some 250 bytes for the names of its sources, and no machine has as many.
_MOST_RANKS = 10_000_000


@dataclass(frozen=True)
class RanksResult:
    """What became of a parallel program."""

    #: The launcher's: that of the rank that failed, with most of them.
    returncode: int
    #: The rank that failed first, as the launcher says; None: none did, or it does not say.
    failed_rank: int | None
    #: The whole command.
    args: list[str]
    #: How long it ran, in seconds.
    duration: float


class RanksOutcome(NamedTuple):
    """What `run_ranks` returns."""

    result: RanksResult
    captured: Captured


def run_ranks(
    args: Args,
    n: int,
    *,
    launcher: str = "auto",
    launcher_args: Sequence[str] = (),
    live: Any = None,
    on_line: Callable[[Line], object] | None = None,
    **options: Any,
) -> RanksOutcome:
    """Run a program as many ranks, and wait for all of them.

    Each rank's stdout and stderr are in the log, byte by byte, whatever the others write at the
    same time: the launcher keeps a file for each, which is read as it grows. So the directory for
    temporary files must be one that all machines see, and the time of a line is when it was read.
    If it is left by an exception, such as an interrupt, the program is ended.

    Parameters
    ----------
    args
        The program and its arguments, as for `subprocess.Popen`.
    n
        How many ranks.
    launcher
        ``"openmpi"``, ``"mpich"``, ``"srun"``, ``"torchrun"``, or ``"auto"``: ``srun`` within a
        Slurm allocation, else the ``mpiexec`` on the PATH.
    launcher_args
        Further options for the launcher.
    live
        Where to show the lines as they come, with their ranks, as for `capture_fd`.
    on_line
        Called with each `Line`, in a thread.
    options
        Whatever else `subprocess.Popen` takes, but ``stdout`` and ``stderr``.

    Returns
    -------
    RanksOutcome
        ``result``, a `RanksResult`, and ``captured``, the log: ``source("rank7")``, and
        ``source("launcher")`` for what the launcher itself says. It is in the active capture too,
        if there is one.

    Raises
    ------
    ValueError
        If an argument is not of the accepted kind.
    FileNotFoundError
        If there is no such launcher.
    CaptureError
        If no recording can be made.
    """
    check_positive("n", n)
    if n > _MOST_RANKS:
        raise ValueError(f"n must be at most {_MOST_RANKS}, not {n}")
    check_function("on_line", on_line)
    words = checked_args(args)
    targets = live_targets(live, on_line)
    refused = {"stdout", "stderr"} & options.keys()
    if refused:
        raise ValueError(f"run_ranks captures stdout and stderr: {refused.pop()} is not possible")
    kind, program = choose(launcher)
    directory = Path(tempfile.mkdtemp(prefix="ipyfdcapture-ranks-"))
    try:
        own = [os.fsdecode(word) for word in (words if not isinstance(words, _WORD) else [words])]
        command = [*kind.command(program, n, str(directory), list(launcher_args)), *own]
        with _RankLog(kind, directory, n) as log:
            for each in targets:
                log.show(each.name, each.make(_context()))
            if current_capture() is not None:
                log.show("the capture", IntoCapture(current_log(), [0, None]))
            return _run(command, log, options)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


_WORD = (str, bytes, os.PathLike)


def _run(command: list[str], log: _RankLog, options: dict[str, Any]) -> RanksOutcome:
    started = clock.monotonic()
    with log.own_files() as (stdout, stderr), deferred_interrupts():
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, **options)
    try:
        while process.poll() is None:
            log.read_on()
            clock.await_end(process, _POLL_S)
    except BaseException:
        process.terminate()
        clock.await_end(process, _END_S)
        process.kill()
        process.wait()
        log.recording.close()
        raise
    log.finish(failed=process.returncode != 0)
    captured = Captured(log.recording)
    rank = None
    if process.returncode:
        rank = log.kind.failed_rank(re.sub(r"\s*\n\s*", " ", captured.source("launcher").text))
    duration = clock.monotonic() - started
    return RanksOutcome(RanksResult(process.returncode, rank, command, duration), captured)


def _context() -> TargetContext:
    return TargetContext(frozenset(), os.dup, 1_000_000, 1000, 20, "the ranks' log")


class _RankLog:
    """The recording of a parallel program, and the files that it is read from."""

    def __init__(self, kind: Launcher, directory: Path, n: int) -> None:
        self.kind = kind
        self._directory = directory
        self._files: dict[Path, tuple[int, int]] = {}  # the source, and how much was read
        self._followers: list[Follower] = []
        names = [f"rank{rank}/{name}" for rank in range(n) for name in ("stdout", "stderr")]
        metadata = Metadata(
            sources=(*names, *_LAUNCHER), started=clock.time_ns(), process=os.getpid()
        )
        try:
            self.recording, data, index = Recording.create(spool.directory(), metadata)
        except OSError as error:
            raise CaptureError(f"cannot capture: {reason(error)}") from error
        self._appender = ChunkAppender(data, index)
        self.recording.writing = _Running()
        self._numbers = {name: number for number, name in enumerate(self.recording.sources)}

    def __enter__(self) -> _RankLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._appender.close()
        for follower in self._followers:
            follower.abandon()

    def show(self, name: str, target: Target) -> None:
        """Have what comes shown."""
        follower = Follower(self.recording, target, _POLL_S, name)
        follower.start()
        self._followers.append(follower)

    @contextlib.contextmanager
    def own_files(self) -> Any:
        """Open the files for what the launcher itself says."""
        paths = [self._directory / f"launcher-{name}" for name in ("stdout", "stderr")]
        with open(paths[0], "xb") as stdout, open(paths[1], "xb") as stderr:
            for path, source in zip(paths, _LAUNCHER, strict=True):
                self._files[path] = self._numbers[source], 0
            yield stdout, stderr

    def read_on(self) -> None:
        """Read what is new."""
        for each in self.kind.files(self._directory):
            if each.path not in self._files:
                self._files[each.path] = self._source_of(each), 0
        for path, (source, position) in self._files.items():
            with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
                file.seek(position)
                while part := file.read(_READ_BYTES):
                    self._appender.add(source, part, clock.time_ns())
                    position += len(part)
            self._files[path] = source, position
        self._appender.flush()

    def _source_of(self, file: RankFile) -> int:
        name = f"rank{file.rank}/{file.stream}"
        if name not in self._numbers:  # a launcher may start more than it was told to
            self._numbers[name] = len(self.recording.sources)
            self.recording.add_sources([name])
        return self._numbers[name]

    def finish(self, failed: bool) -> None:
        """Read the rest."""
        self.read_on()
        self.recording.finish(clock.time_ns(), failed=failed)
        self.recording.writing = None
        while self._followers:
            self._followers.pop().capture_ended()


class _Running(Writing):
    """The side that writes the recording of ranks, while they run."""

    def update(self) -> State:
        """See `Writing`."""
        return State(writing=True)

    def wait(self, timeout: float | None) -> bool:
        """See `Writing`: nobody has the log while they run but what shows it."""
        return False

    def release(self) -> None:
        """See `Writing`."""
