"""What shows a recording while it grows, as the follower and the views see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..recording.recording import Recording
from ..recording.tail_reader import Chunk


class Target(Protocol):
    """Somewhere that a recording is shown as it grows. Used by one thread at a time."""

    #: Whether the user sees it among what the cell shows, so that the order matters.
    is_seen: bool
    #: It needs at most so many bytes of what is new at one look, the last ones. None: all.
    tail_bytes: int | None
    #: The first error that did not stop it.
    error: BaseException | None
    #: Tells whether to go on; set by the follower.
    should_continue: Callable[[], bool]

    def open(self, recording: Recording) -> None:
        """Begin. Called once, before anything else."""

    def show(self, chunks: list[Chunk]) -> None:
        """Take what is new. May keep it back for a while."""

    def skip(self, count: int) -> None:
        """So many bytes are left out before what comes next.

        ``tail_bytes`` are enough without them, or ``max_bytes`` dropped them before they were read.
        """

    def tick(self) -> None:
        """Show what was kept back, as far as the pace allows. Called at each interval."""

    def catch_up(self) -> None:
        """Show all that was kept back: something is about to be shown beside it."""

    def cleared(self) -> None:
        """What was shown is gone from where it was shown."""

    def capture_ended(self) -> None:
        """The capture has ended, and `show` was given everything that was written by then.

        What comes after is late output of children.
        """

    def close(self) -> None:
        """Nothing more will come."""


class Screen(Protocol):
    """Where people look; a view decides what stands there."""

    def draw(self, lines: list[str], final: bool) -> None:
        """Put these lines in the place of those drawn before. After ``final`` they stay."""

    def give_way(self) -> None:
        """Something else is about to be shown, below what stands there."""

    def cleared(self) -> None:
        """What stood there is gone."""

    def close(self) -> None:
        """Nothing more will be shown."""


class StreamScreen(Screen, Protocol):
    """A screen that takes stream output as well."""

    def write(self, stderr: bool, text: str) -> None:
        """Append to what stands there."""

    def beside(self) -> StreamScreen:
        """Return a screen at the same place for other lines, drawn by themselves."""


@dataclass(frozen=True)
class TargetContext:
    """What a target may need to know of the capture that it shows."""

    #: The descriptors that are captured.
    captured: frozenset[int]
    #: Returns a new descriptor for what a captured descriptor was before; None if it was closed.
    dup_original: Callable[[int], int | None]
    #: A view shows at most so much text before it only counts.
    max_bytes: int
    #: And at most so many lines.
    max_lines: int
    #: So many lines are shown at the end of a flood, or as a tail.
    tail_lines: int
    #: What messages call the log.
    name: str


MakeTarget = Callable[[TargetContext], Target]
