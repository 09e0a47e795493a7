"""Live in a notebook: what workers write stands under the cell that runs when it comes.

A log of workers lives for many cells. Under each, a view of its own begins, with limits of its
own. What comes while a cell is captured is in that cell's log (`captured_cells`) and shown as that
cell says, not here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from ..live.iopub import IOPubScreen
from ..live.stream_view import StreamView
from ..live.target import TargetContext
from ..recording.recording import Recording
from ..recording.tail_reader import Chunk
from .captured_cells import CapturedCells


class UnderCells:
    """A target that begins a new view with each cell."""

    is_seen = True
    #: All is read: what is new may be for another cell, with a view that has not begun to count.
    tail_bytes: int | None = None

    def __init__(self, shell: Any, context: TargetContext, cells: CapturedCells) -> None:
        self._shell = shell
        self._context = context
        self._cells = cells
        #: That of the cell that runs, or ran last; and the one that is in use.
        self._newest = self._screen = IOPubScreen(shell)
        self._view = self._new_view(self._screen)
        self.error: BaseException | None = None
        self._should_continue: Callable[[], bool] = lambda: True
        self._recording: Recording | None = None
        #: Has everything shown that workers have written by now. Set by whoever fetches it.
        self.settle: Callable[[], object] = lambda: None
        shell.events.register("pre_run_cell", self._cell_begins)
        shell.events.register("post_run_cell", self._cell_ends)

    def _new_view(self, screen: IOPubScreen) -> StreamView:
        context = self._context
        return StreamView(
            screen, context.max_bytes, context.max_lines, context.tail_lines, context.name
        )

    def _cell_begins(self, info: object = None) -> None:
        # In the thread of the cell: elsewhere, the shell would name another.
        self._newest = IOPubScreen(self._shell)

    def _cell_ends(self, result: object = None) -> None:
        # Runners such as nbclient take nothing for a cell that comes after its end.
        self.settle()

    @property
    def should_continue(self) -> Callable[[], bool]:
        """See `Target`."""
        return self._should_continue

    @should_continue.setter
    def should_continue(self, function: Callable[[], bool]) -> None:
        self._should_continue = function
        self._view.should_continue = function

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        self._recording = recording
        self._view.open(recording)

    def show(self, chunks: list[Chunk]) -> None:
        """See `Target`."""
        self._follow_cell()
        shown = [chunk for chunk in chunks if not self._cells.has(chunk.time_ns)]
        if shown:
            self._view.show(shown)

    def _follow_cell(self) -> None:
        newest = self._newest
        if newest is self._screen:
            return
        self._view.close()
        self._screen = newest
        self._view = self._new_view(self._screen)
        self._view.should_continue = self._should_continue
        if self._recording is not None:
            self._view.open(self._recording)

    def skip(self, count: int) -> None:
        """See `Target`."""
        self._view.skip(count)

    def tick(self) -> None:
        """See `Target`."""
        self._view.tick()

    def catch_up(self) -> None:
        """See `Target`."""
        self._view.catch_up()

    def cleared(self) -> None:
        """See `Target`."""
        self._view.cleared()

    def capture_ended(self) -> None:
        """See `Target`."""
        self._view.capture_ended()

    def close(self) -> None:
        """See `Target`."""
        with contextlib.suppress(ValueError):
            self._shell.events.unregister("pre_run_cell", self._cell_begins)
            self._shell.events.unregister("post_run_cell", self._cell_ends)
        self._view.close()
