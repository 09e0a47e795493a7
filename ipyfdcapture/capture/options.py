"""What a capture is to do: everything that is decided before it starts, checked and frozen."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..checks import (
    check_encoding,
    check_facts,
    check_flags,
    check_function,
    check_max_bytes,
    check_positive,
    check_seconds,
    check_terminal_size,
    checked_fds,
)
from ..drain.host import KINDS
from ..recording.metadata import Metadata
from ..system.descriptors import STREAM_NAMES
from ..system.interrupts import deferred_interrupts

if TYPE_CHECKING:
    from ..live.targets import LiveTarget
    from ..log.captured import Captured
    from ..log.line import Line

MERGED = "stdout+stderr"


@dataclass(frozen=True, kw_only=True)
class CaptureOptions:
    """Everything that a `CaptureSession` needs to know; nothing is set on it later.

    Raises
    ------
    ValueError
        If a value is not of the accepted kind.
    """

    #: The descriptors to capture, each once.
    descriptors: tuple[int, ...]
    #: Whether ``sys.stdout`` and ``sys.stderr`` are captured with their descriptors.
    python: bool = True
    #: Whether IPython's rich displays are captured.
    display: bool = False
    #: Whether stdout and stderr share one pipe, if both are captured.
    merge: bool = False
    #: Whether descriptors 1 and 2 are terminals in place of pipes.
    tty: bool = False
    #: Columns and rows of these. None: as many as where they led before, or the usual.
    tty_size: tuple[int, int] | None = None
    encoding: str = "utf-8"
    errors: str = "replace"
    #: Where the output is shown as it comes.
    live: tuple[LiveTarget, ...] = ()
    #: How often (s) a live target is given what is new.
    live_interval: float = 0.1
    #: How many bytes a live view shows in a notebook.
    live_max_bytes: int = 1_000_000
    #: And how many lines.
    live_max_lines: int = 1000
    #: Whether live targets also get what children write after the end.
    live_after_end: bool = True
    #: Whether `CaptureSession.originals` has what the descriptors were before.
    keep_originals: bool = False
    #: How many lines a live view shows as a tail, or at the end of a flood.
    tail_lines: int = 20
    #: How many bytes are kept. None: all.
    max_bytes: int | None = None
    drain: str = "auto"
    #: Where recordings are kept. Empty: the system's temporary directory.
    spool_dir: str = ""
    #: What the user keeps with the log.
    facts: dict[str, Any] = field(default_factory=dict)
    #: Which cell of which notebook is captured, as far as it is known.
    notebook: str | None = None
    cell: int | None = None
    first_line: str | None = None
    #: What live views call the log.
    name: str = "the captured log"
    #: Where the recording is kept if this process crashes. None: nowhere.
    crash_dir: str | None = None
    #: Whether it captures one cell, and nothing of those that run at the same time.
    of_cell: bool = False
    #: Whether another object may stand in ``sys`` for one that does not lead to the descriptor.
    may_stand_in: bool = True
    #: A log that the new one continues.
    append_to: Captured | None = None

    def __post_init__(self) -> None:
        check_flags(python=self.python, display=self.display, merge=self.merge, tty=self.tty)
        check_terminal_size("tty_size", self.tty_size)
        if not self.descriptors and not self.display:
            raise ValueError("nothing to capture: stdout, stderr, fds and display are all off")
        if self.drain not in KINDS:
            raise ValueError(f"drain must be one of {', '.join(KINDS)}, not {self.drain!r}")
        check_max_bytes(self.max_bytes)
        check_encoding(self.encoding, self.errors)
        check_seconds("live_interval", self.live_interval)
        check_positive("live_max_bytes", self.live_max_bytes, of=" of bytes")
        check_positive("live_max_lines", self.live_max_lines, of=" of lines")
        if not isinstance(self.spool_dir, str):
            raise ValueError(f"spool_dir must be the path of a directory, not {self.spool_dir!r}")
        check_facts(self.facts)
        for target in self.live:
            target.check_streams(self._source_names())

    @property
    def is_merged(self) -> bool:
        """Whether stdout and stderr are one pipe."""
        return self.merge and {1, 2}.issubset(self.descriptors)

    def metadata(self) -> Metadata:
        """Return what the recording keeps of these options."""
        return Metadata(
            sources=tuple(self._source_names()),
            encoding=self.encoding,
            errors=self.errors,
            max_bytes=self.max_bytes,
            notebook=self.notebook,
            cell=self.cell,
            first_line=self.first_line,
            name=self.name if self.name.isidentifier() else None,
            facts=copy.deepcopy(self.facts),
        )

    def _source_names(self) -> list[str]:
        """Return the names of the sources, in the order of the pipes."""
        if self.is_merged:
            return [MERGED, *(f"fd {fd}" for fd in self.descriptors if fd > 2)]
        return [STREAM_NAMES.get(fd, f"fd {fd}") for fd in self.descriptors]


def descriptors_of(stdout: bool, stderr: bool, fds: Iterable[int] = ()) -> tuple[int, ...]:
    """Return the descriptors that a user asked for. Raises `ValueError` if one cannot be."""
    check_flags(stdout=stdout, stderr=stderr)
    return tuple([fd for fd, on in ((1, stdout), (2, stderr)) if on] + checked_fds(fds))


def live_targets(
    live: Any = None,
    on_line: Callable[[Line], object] | None = None,
    file: str | os.PathLike[str] | None = None,
) -> tuple[LiveTarget, ...]:
    """Return the live targets that a user asked for. Raises `ValueError` if one cannot be."""
    check_function("on_line", on_line)
    if file is not None and not isinstance(file, (str, bytes, os.PathLike)):
        raise ValueError(f"file must be a path, not {file!r} (for a stream: live)")
    if live is None and on_line is None and file is None:
        return ()
    with deferred_interrupts():  # half a module would be loaded once more
        from ..live.callback import FileTarget, LineTarget
        from ..live.targets import LiveTarget, live_targets_of

    targets = live_targets_of(live)
    if on_line is not None:
        targets.append(LiveTarget("on_line", lambda context: LineTarget(on_line)))
    if file is not None:
        targets.append(LiveTarget("file", lambda context: FileTarget(file)))
    return tuple(targets)
