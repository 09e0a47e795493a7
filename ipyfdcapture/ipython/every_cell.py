"""``%capture_fd --every-cell``: each cell is captured, shown live, and kept in the history."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from ..system.user_warnings import warn_user
from .captures import Captures
from .cells import Cell, Cells, cell_number, identity_of
from .first_use import load
from .names import MAGIC

if TYPE_CHECKING:
    from ..log.captured import Captured

#: A cell that only switches this.
_SWITCH = rf"\s*(?:%{MAGIC}\s+--(?:off|every-cell)\s*(?:#.*)?\s*)+"


class EveryCell:
    """Captures the cells of one shell, one after another."""

    def __init__(self, captures: Captures, cells: Cells) -> None:
        self._captures = captures
        self._cells = cells
        self._numbers: set[int] = set()  # of the cells that are running

    def begin(self, cell: Cell) -> None:
        """Begin the capture of a cell. A cell that cannot be captured runs all the same."""
        captures = self._captures
        number = cell_number(captures.shell, cell.info.store_history)
        while number in self._numbers:  # before IPython 9, cells that run at once have the same
            number += 1
        self._numbers.add(number)

        def on_end(captured: Captured, failed: bool) -> None:
            self._numbers.discard(number)
            if re.fullmatch(_SWITCH, cell.info.raw_cell):
                return  # it does no more than to end this
            captures.bind(captured)
            history.max_bytes = captures.config.history_max_bytes
            history.add(number, captured)

        try:
            load()
            from .history import history
            from .options import MagicOptions

            capture = captures.make(
                MagicOptions(live=True),
                identity_of(cell, captures.shell),
                f"ipyfdcapture.history[{number}]",
                may_stand_in=False,
            )
            self._cells.begin_capture(cell, capture, on_end)
        except UsageError as error:
            self._numbers.discard(number)
            warn_user(f"this cell is not captured: {error}")
