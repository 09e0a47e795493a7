"""The functions that are called with the lines of children."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from ...live.callback import LineTarget
from ...live.follower import Follower
from ...log.line import Line
from ...recording.recording import Recording
from ...system.forking import Stage, at_fork, fork_safe_lock
from ...system.living import LivingKeys
from ..session import CaptureSession

OnLine: TypeAlias = Callable[[Line], object]
#: How often (s) a function is given what is new.
_INTERVAL_S = 0.1


class Callbacks:
    """The thread that gives one recording's lines to the functions of its children."""

    def __init__(self, recording: Recording, capture: CaptureSession | None) -> None:
        self._functions: dict[str, OnLine] = {}
        target = LineTarget(self._give_line)
        if capture is not None:
            self._follower = capture.follow("on_line", target)
            self.catch_up = self._follower.catch_up
            return
        self._follower = Follower(recording, target, _INTERVAL_S, "on_line")
        self._follower.start()
        self._follower.capture_ended()  # there is none: it ends with the last writer
        #: Returns when all lines that are recorded by now were given.
        self.catch_up = self._follower.capture_ended

    def give(self, sources: Iterable[str], function: OnLine) -> None:
        """Give the lines of ``sources`` to ``function``."""
        self._functions.update(dict.fromkeys(sources, function))

    def _give_line(self, line: Line) -> None:
        function = self._functions.get(line.source)
        if function is not None:
            function(line)


_lock = fork_safe_lock()
#: All children of a capture share one.
_of_captures: LivingKeys[CaptureSession, Callbacks] = LivingKeys()


def callbacks_of(recording: Recording, capture: CaptureSession) -> Callbacks:
    """Return the callbacks of all children of a capture."""
    with _lock:
        callbacks = _of_captures.get(capture)
        if callbacks is None:
            callbacks = _of_captures[capture] = Callbacks(recording, capture)
        return callbacks


at_fork(Stage.STATE, in_child=_of_captures.clear)
