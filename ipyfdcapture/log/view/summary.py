"""What is known of a log at one moment, in a small value that views and exports take."""

from __future__ import annotations

from dataclasses import dataclass

from ...recording.recording import Recording
from ..reading import Reading
from ..search import Pattern
from ..timing import duration
from .words import counted, size, time_span


@dataclass(frozen=True)
class Summary:
    """What is known of a log, or of a narrower view of one."""

    #: How the captured code ended: "running", "still writing", "complete", "failed", "crashed".
    state: str
    #: Whether the captured code ended in an error.
    failed: bool
    #: The number of the cell, and the first line of its code; None if there is no cell.
    cell: int | None
    first_line: str | None
    #: How many lines it has, and how many the whole log has.
    lines: int
    lines_of_log: int
    #: Whether it is a whole log.
    whole: bool
    #: The length of the whole log, in bytes.
    nbytes: int
    #: How long the capture ran, in seconds.
    seconds: float
    #: How many bytes were not kept, and why, in the system's words (None: only the limit).
    dropped: int
    dropped_why: str | None
    #: How many rich displays were captured.
    displays: int
    #: What the user calls it: the variable, or the file that it was read from.
    name: str | None = None
    #: By which calls it was narrowed, and what to mark in it.
    narrowed_by: tuple[str, ...] = ()
    marks: tuple[Pattern, ...] = ()

    @property
    def expression(self) -> str:
        """How to write it in Python, to name what is hidden: ``logs.tail(10)``."""
        name = self.name if self.name and self.name.isidentifier() else "logs"
        return name + "".join(self.narrowed_by)

    def phrases(self) -> list[str]:
        """Return it as phrases, without the state."""
        if self.whole:
            said = [counted(self.lines, "line"), size(self.nbytes)]
        else:
            said = [f"{self.lines:,} of {counted(self.lines_of_log, 'line')}"]
        said.append(time_span(self.seconds))
        if self.cell is not None:
            said.insert(0, f"cell [{self.cell}]")
        if self.failed and self.state in ("running", "still writing"):
            said.append("failed")
        if self.dropped:
            why = f" ({self.dropped_why})" if self.dropped_why else ""
            said.append(f"{size(self.dropped)} dropped{why}")
        if self.displays:
            said.append(counted(self.displays, "display"))
        return said


def summarize(
    recording: Recording,
    reading: Reading,
    displays: int,
    narrowed_by: tuple[str, ...] = (),
    marks: tuple[Pattern, ...] = (),
) -> Summary:
    """Return what is known of a log.

    Parameters
    ----------
    recording
        Where it is kept.
    reading
        The log, or a narrower view of it.
    displays
        How many rich displays were captured with it.
    narrowed_by, marks
        By which calls it was narrowed, and what to mark in it.
    """
    metadata = recording.metadata
    writing = recording.update().writing
    return Summary(
        state=_state(recording, writing),
        failed=metadata.failed,
        cell=metadata.cell,
        first_line=metadata.first_line,
        lines=len(reading.indices),
        lines_of_log=len(reading.lines),
        whole=reading.whole,
        nbytes=len(reading.lines.snapshot),
        seconds=duration(reading.started, reading.ended),
        dropped=recording.dropped,
        dropped_why=recording.dropped_why,
        displays=displays,
        name=metadata.name,
        narrowed_by=narrowed_by,
        marks=marks,
    )


def _state(recording: Recording, writing: bool) -> str:
    metadata = recording.metadata
    if metadata.crashed is not None:
        return "crashed"
    if metadata.stopped is None:
        return "running"
    if writing:
        return "still writing"
    return "failed" if metadata.failed else "complete"
