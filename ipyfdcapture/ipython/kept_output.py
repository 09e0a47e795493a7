"""What kept processes wrote while a cell ran, and where it is: one line when the cell ends.

A process that an earlier captured cell started writes into the log of that cell. Under a cell
that shows nothing live it is not shown; a line says how much there is, and in which log.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from IPython.core.interactiveshell import InteractiveShell

from ..capture.kept_logs import kept_logs
from ..system import clock
from .names import LATEST

if TYPE_CHECKING:
    from ..drain.job import DrainJob
    from ..recording.recording import Recording

#: Lines are counted in so much of what came, so that a flood does not hold up the end of a cell:
#: 30 ms.
_COUNTED_BYTES = 64 << 20


class KeptOutput:
    """What was in the logs of earlier cells, to which processes still write, when a cell began."""

    def __init__(self) -> None:
        self._began = clock.time_ns()
        #: Who writes each, and where it ended then.
        self._ends: list[tuple[weakref.ref[Recording], DrainJob, int]] = []
        for recording in kept_logs:
            from ..drain.job import DrainJob
            from ..recording.tail_reader import end_of

            job = recording.writing
            if isinstance(job, DrainJob) and not job.is_seen:
                self._ends.append((weakref.ref(recording), job, end_of(recording)))
        self._ends.sort(key=lambda each: each[1].number)  # the oldest first

    def show_what_came(self, shell: InteractiveShell) -> None:
        """Print a line for each log that has more now, unless a cell has shown it."""
        for reference, job, position in self._ends:
            recording = reference()
            if recording is None or recording.closed:
                continue
            recording.update()
            amount = _amount_of(recording, position, job.late_sources)
            if amount:
                verb = "are" if amount.endswith("lines") else "is"
                names = self._names(shell, recording, job)
                print(f"{amount} of processes started in {_place(recording)} {verb} in {names}")

    def _names(self, shell: InteractiveShell, recording: Recording, job: DrainJob) -> str:
        from ..log.captured import Captured

        logs = {
            name: each for name, each in list(shell.user_ns.items()) if isinstance(each, Captured)
        }
        holders = [name for name, each in logs.items() if each.recording is recording]
        names = [_best(holders) or _name_in_history(recording)]
        names += [
            _best([name for name, each in logs.items() if each.recording is its])
            for its in {each.recording for each in logs.values()}
            if its.metadata.started >= self._began
            and any(source.startswith(f"{job.origin}/") for source in its.sources)
        ]
        return " and ".join(f"`{name}`" for name in names if name) or "a log that has no name"


def _amount_of(recording: Recording, position: int, late_sources: set[int]) -> str:
    """Return how much came from a position on that no cell has shown; empty for nothing."""
    from ..log.view.words import counted
    from ..recording.shown import ShownElsewhere
    from ..recording.tail_reader import RecordingTail

    lines = size = 0
    last = b"\n"
    shown = ShownElsewhere(recording.path)
    tail = RecordingTail(recording, position)
    try:
        end = tail.end()
        tail.skip(max(position, tail.oldest()))
        if end - tail.position > _COUNTED_BYTES:
            return f"{(end - position) / 1e6:,.0f} MB"
        while tail.position < end:
            start = tail.position
            chunks = tail.read()
            shown.update()
            if not chunks:
                break
            for chunk in chunks:
                if chunk.source not in late_sources and not shown.has(chunk.source, start):
                    lines += chunk.data.count(b"\n")
                    size += len(chunk.data)
                    last = chunk.data[-1:]
                start += len(chunk.data)
    finally:
        tail.close()
    return counted(lines + (last != b"\n"), "line") if size else ""


def _place(recording: Recording) -> str:
    cell = recording.metadata.cell
    return "an earlier capture" if cell is None else f"cell [{cell}]"


def _best(names: list[str]) -> str:
    """Return the name that the user gave, if there is one."""
    own = [name for name in names if not name.startswith("_")]
    return (own or [name for name in names if name == LATEST] or [""])[0]


def _name_in_history(recording: Recording) -> str:
    from .history import history

    numbers = [n for n, log in history.items() if log.recording is recording]
    return f"ipyfdcapture.history[{numbers[0]}]" if numbers else ""
