"""The parts of a worker's recording: what each of its tasks writes.

Each task has pipes of its own while it runs, as a captured cell has. The processes that it leaves
behind keep them: what these write later is the task's, whichever other one runs by then. All are
sources of the worker's one recording, of the same names. Once nobody can write to the pipes of a
task any more, a later one has their sources; so what a task wrote is what some sources have,
between two positions.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from ..capture.session import PIPE_BYTES, CaptureSession
from ..drain.job import Pipe
from ..output.late import open_late_output
from ..system.descriptors import STREAM_NAMES, Descriptor
from ..system.pipes import open_pipe
from .protocol import Answer
from .served import ServedRecording

#: So many parts are remembered.
_MOST_PARTS = 100_000
#: So many tasks at once may have left processes behind that live: each takes four descriptors here,
#: and a process may have 1,024 as a rule, on macOS 256. Later tasks share the worker's own pipes.
_MOST_LEFT = 20
#: The sources of the worker's own pipes.
_SHARED = (0, 1)


class Parts:
    """All parts that a worker remembers, each by a word. Whoever uses it holds a lock."""

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}
        self._pipes: PartPipes | None = None

    def record(self, served: ServedRecording, session: CaptureSession) -> None:
        """Have the parts that begin from now on in a recording, by the capture that writes it."""
        self._pipes = PartPipes(served, session)

    def begin(self, key: str) -> None:
        """What is written from now on is of a part. One that runs ends."""
        if self._pipes is None:
            return
        self._parts.pop(key, None)  # it is run again: the newest counts
        self._parts[key] = self._pipes.begin()
        while len(self._parts) > _MOST_PARTS:
            self._parts.pop(next(iter(self._parts)))

    def end(self, key: str) -> None:
        """A part ends, if it runs."""
        part = self._parts.get(key)
        if part is not None and part.is_running:
            part.pipes.end()

    def stop(self) -> None:
        """The capture is about to end, and so does the part that runs."""
        if self._pipes is not None:
            self._pipes.end()
            self._pipes = None

    def reset_after_fork(self) -> None:
        """In a forked child: close what is the parent's."""
        if self._pipes is not None:
            self._pipes.reset_after_fork()

    def clear(self) -> None:
        """Forget all."""
        self._parts.clear()

    def answer(self, key: str) -> Answer:
        """Return what is known of a part; nothing if there is none."""
        part = self._parts.get(key)
        return {} if part is None else part.answer()


@dataclass(eq=False)
class Part:
    """What some sources of a recording have, from one position to another."""

    pipes: PartPipes
    sources: tuple[int, ...]
    start: int
    #: None: it runs, or a process that it has left behind lives.
    stop: int | None = None

    @property
    def is_running(self) -> bool:
        """Whether what is written now is of this part."""
        return self.pipes.running is self

    def end(self) -> int:
        """Return where it ends, or how far it goes by now."""
        if self.stop is not None:
            return self.stop
        self.pipes.served.recording.update()
        # In this order: once its pipes are closed, nothing of it is recorded any more.
        is_over = not (self.is_running or self.pipes.are_open(self.sources))
        end = self.pipes.served.end()
        if is_over:
            self.stop = end
        return end

    def answer(self) -> Answer:
        """Return it as an answer to ``part``."""
        served, stop = self.pipes.served, self.end()
        names = served.recording.sources
        return {
            "incarnation": served.incarnation,
            "start": self.start,
            "stop": stop,
            "sources": [(number, names[number]) for number in self.sources],
            "over": self.stop is not None,
        }


class PartPipes:
    """Gives one part at a time pipes of its own.

    Parameters
    ----------
    served
        The recording.
    session
        The capture that writes it, which runs.
    """

    def __init__(self, served: ServedRecording, session: CaptureSession) -> None:
        self.served = served
        self.running: Part | None = None
        self._session = session
        #: The sources that were added for parts, in pairs, and the last part that had each.
        self._pairs: list[tuple[int, ...]] = []
        self._last: dict[tuple[int, ...], Part] = {}
        #: The write ends of the worker's own pipes, while a part has others.
        self._shared: dict[int, Descriptor] = {}

    def begin(self) -> Part:
        """Lead the descriptors to pipes of a new part."""
        self.end()
        self.served.recording.update()  # what was written before comes before it
        # In this order, see `Part.end`.
        sources = _SHARED if self._shared else self._free_sources()
        start = self.served.end()
        if sources != _SHARED:
            try:
                self._lead_to_new_pipes(sources)
            except OSError:  # there are no descriptors
                sources = _SHARED
        last = self._last.get(sources)
        if last is not None and last.stop is None:
            last.stop = start
        part = self.running = self._last[sources] = Part(self, sources, start)
        return part

    def end(self) -> None:
        """Lead the descriptors to the worker's own pipes again. No effect if no part runs."""
        part, self.running = self.running, None
        if part is None:
            return
        with contextlib.suppress(OSError):  # no descriptors: the end of the next part does it
            for write_end in self._session.lead_to(self._shared).values():
                write_end.close()
            self._shared = {}
        part.end()

    def are_open(self, sources: tuple[int, ...]) -> bool:
        """Tell whether a process may live that was started by the last part with these sources."""
        return sources != _SHARED and not self._pipes.keys().isdisjoint(sources)

    @property
    def _pipes(self) -> dict[int, Pipe]:
        job = self._session.job
        return {} if job is None else job.pipes

    def _free_sources(self) -> tuple[int, ...]:
        for sources in self._pairs:
            if not self.are_open(sources):
                return sources
        if len(self._pairs) > _MOST_LEFT:
            return _SHARED
        recording = self.served.recording
        first = len(recording.sources)
        recording.add_sources(list(STREAM_NAMES.values()))
        self._pairs.append((first, first + 1))
        return self._pairs[-1]

    def _lead_to_new_pipes(self, sources: tuple[int, ...]) -> None:
        write_ends: dict[int, Descriptor] = {}
        pipes: list[Pipe] = []
        try:
            for fd, source in zip(STREAM_NAMES, sources, strict=True):
                read_end, write_end = open_pipe(PIPE_BYTES)
                write_ends[fd] = Descriptor(write_end)
                pipes.append(Pipe(source, read_end, STREAM_NAMES[fd]))
                original = open_late_output(fd)
                if original is not None:
                    pipes[-1].set_original(original)
            job = self._session.job
            assert job is not None
            given, pipes = pipes, []  # `add` takes them over, whether it can have them or not
            job.add(given)
            self._shared = self._session.lead_to(write_ends)
        except BaseException:
            for pipe in pipes:
                pipe.close()
            for end in write_ends.values():
                end.close()
            raise

    def reset_after_fork(self) -> None:
        """In a forked child: close what is the parent's."""
        for write_end in self._shared.values():
            write_end.close()
        self._shared.clear()
