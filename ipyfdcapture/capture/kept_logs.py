"""The recordings of captures that have stopped while processes still write to them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from ..system.forking import Stage, at_fork

if TYPE_CHECKING:
    from ..drain.job import DrainJob
    from ..recording.recording import Recording

kept_logs: weakref.WeakKeyDictionary[Recording, DrainJob] = weakref.WeakKeyDictionary()
at_fork(Stage.STATE, in_child=kept_logs.clear)
