"""What the end of a capture undoes."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable
from operator import itemgetter

from ..system.calling import call_all


class AtEnd(enum.IntEnum):
    """The steps of the end of a capture, in their order.

    Of each step, exactly that is undone which the start had done by then.
    """

    #: Write what Python and native code hold in their buffers: it belongs to the log.
    FLUSH = enum.auto()
    #: Take the terminal out of the environment, and give C's ``stdout`` its buffering back.
    TERMINAL = enum.auto()
    #: Give IPython its displays back.
    DISPLAYS = enum.auto()
    #: Take the hooks off ``os.write`` and whatever starts children.
    HOOKS = enum.auto()
    #: Let IPython show things without waiting for live views.
    DISPLAY_ORDER = enum.auto()
    #: Untie the C++ streams that were tied to C's.
    IOSTREAMS = enum.auto()
    #: Take nothing more that Python writes.
    STREAMS = enum.auto()
    #: Put the descriptors back.
    DESCRIPTORS = enum.auto()
    #: Forget how to write past the capture: with the descriptors back, there is nothing to pass.
    ROUTES = enum.auto()
    #: No longer be the newest capture.
    ACTIVE = enum.auto()
    #: Have all that was written by now recorded, and shown live.
    RECORDING = enum.auto()
    #: Close the duplicates of what the descriptors were.
    ORIGINALS = enum.auto()
    #: Close the write ends that no redirection has taken over.
    WRITE_ENDS = enum.auto()
    #: Stop a drain that is a thread with nothing left to do.
    DRAIN = enum.auto()


class UndoList:
    """Functions to call at the end, in the order of their steps.

    Those of one step are called last added first. Each is called once, whichever threads call
    `run`, and whatever another one raises.
    """

    def __init__(self) -> None:
        self._added: list[tuple[AtEnd, Callable[[], object]]] = []

    def add(self, step: AtEnd, function: Callable[[], object]) -> None:
        """Call ``function`` at the end, in its step."""
        self._added.append((step, function))

    def run(self) -> None:
        """Call all, and forget them."""
        due: list[tuple[AtEnd, Callable[[], object]]] = []
        with contextlib.suppress(IndexError):
            while True:
                due.append(self._added.pop())
        due.sort(key=itemgetter(0))
        call_all([function for _, function in due])
