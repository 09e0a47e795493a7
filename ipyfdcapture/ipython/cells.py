"""The cells that run in this thread, and the captures that end with them.

Cells nest: a magic such as ``%run notebook.ipynb`` runs the cells of another notebook within one.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell

from ..output.router import begin_cell, end_cell
from ..system.interrupts import deferred_interrupts
from .captures import start
from .shell_output import ShellOutput

if TYPE_CHECKING:
    from ..capture.session import CaptureSession
    from ..log.captured import Captured
    from .kept_output import KeptOutput
    from .on_error import Failure


class CellCapture:
    """A capture that runs until the end of its cell.

    Parameters
    ----------
    capture
        The capture.
    on_end
        Called with the log, and whether the cell failed, when the capture has ended.
    """

    def __init__(self, capture: CaptureSession, on_end: Callable[[Captured, bool], None]) -> None:
        self.capture = capture
        self.on_end = on_end


class Cell:
    """A cell that is running in one thread.

    Parameters
    ----------
    frame
        The frame of the shell's own function that runs it.
    """

    def __init__(self, frame: Any = None) -> None:
        self.frame = frame
        #: IPython's ``ExecutionInfo``; None for a silent cell.
        self.info: Any = None
        self.captures: list[CellCapture] = []
        self.failures: list[Failure] = []
        #: What kept processes had written when it began; None for a cell within a cell.
        self.kept: KeptOutput | None = None
        #: Captured statements of the cell that are running.
        self.statements: list[CaptureSession] = []
        #: Says who gets what it prints if it has no capture.
        self.mark = begin_cell()


class _Here(threading.local):
    def __init__(self) -> None:
        self.running: list[Cell] = []


class Cells:
    """The cells of one shell that run in this thread, with the captures that end with them."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._here = _Here()
        self._shell_output = ShellOutput(shell, self._first_serial, self._catch_up)

    @property
    def running(self) -> list[Cell]:
        """The cells that run in this thread, the outermost first."""
        return self._here.running

    @property
    def innermost(self) -> Cell | None:
        """The cell that is running; None between cells."""
        return self.running[-1] if self.running else None

    def begin(self) -> None:
        """A cell begins; it is the innermost from now on."""
        with deferred_interrupts():
            frames = list(_frames_of_cells())
            while self.running and self.running[-1].frame not in frames:
                # It has ended: an interrupt hit the event that should have said so.
                self.end(failed=True)
            self.running.append(Cell(frame=frames[0] if frames else None))

    def begin_capture(
        self, cell: Cell, capture: CaptureSession, on_end: Callable[[Captured, bool], None]
    ) -> None:
        """Start a capture that ends with its cell. Raises `UsageError`."""
        from .prompts import let_prompts_through

        with deferred_interrupts():  # a capture that is active is always known
            start(capture)
            cell.captures.append(CellCapture(capture, on_end))
            let_prompts_through(capture)
            self._shell_output.install()

    def end(self, failed: bool, interrupted: bool = False) -> Cell:
        """The innermost cell has ended: stop its captures and return it."""
        with deferred_interrupts():
            cell = self.running[-1]
            try:
                self._stop_captures(cell, failed, interrupted)
            finally:
                self.running.pop()
                end_cell(cell.mark)
            return cell

    def stop_captures(self) -> None:
        """Stop the captures of all cells that run in this thread; the cells run on."""
        for cell in self.running:
            self._stop_captures(cell, failed=False)

    def _stop_captures(self, cell: Cell, failed: bool, interrupted: bool = False) -> None:
        with deferred_interrupts():
            for statement in cell.statements:
                if statement.is_active:  # an interrupt hit its stop
                    statement.stop(failed=True)
            # What one step raises, be it a warning that is an error, leaves no other out: the
            # captures end, the newest first, and then their logs are bound, in the same order.
            with contextlib.ExitStack() as binding, contextlib.ExitStack() as stopping:
                for each in cell.captures:
                    binding.callback(each.on_end, each.capture.captured, failed)
                    stopping.callback(each.capture.stop, failed, interrupted=interrupted)
                    stopping.callback(self._shell_output.remove)
                cell.captures.clear()

    def _catch_up(self) -> None:
        for cell in self.running:
            for each in cell.captures:
                each.capture.catch_up()

    def _first_serial(self) -> int | None:
        captures = [each for cell in self.running for each in cell.captures]
        return captures[0].capture.serial if captures else None


def _frames_of_cells() -> Iterator[Any]:
    """Yield the frames of the shell's functions that run the current cells, innermost first."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "run_cell_async":
            yield frame
        frame = frame.f_back


def cell_number(shell: InteractiveShell, is_counted: bool = True) -> int:
    """Return the number of the running cell; one that is not counted has that of the next."""
    number: int = shell.displayhook.prompt_count
    counted_at_start = number < shell.execution_count  # since IPython 9, earlier at the end
    return number + (1 if counted_at_start and not is_counted else 0)


def identity_of(cell: Cell, shell: InteractiveShell) -> tuple[int | None, str | None]:
    """Return what a recording keeps of the cell that made it: its number and first line."""
    if cell.info is None:
        return None, None
    number = cell_number(shell) if cell.info.store_history else None
    return number, _first_line(cell.info.raw_cell)


def _first_line(cell: str) -> str:
    lines = (line.strip() for line in cell.splitlines())
    return next((line for line in lines if line and not line.startswith("%%")), "")[:200]
