"""The recordings of captures that have stopped while processes still write to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..system.forking import Stage, at_fork
from ..system.living import Living

if TYPE_CHECKING:
    from ..recording.recording import Recording

kept_logs: Living[Recording] = Living()
at_fork(Stage.STATE, in_child=kept_logs.clear)
