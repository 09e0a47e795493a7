"""A target for each stream of one capture, served in order by one thread."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Mapping

from ..recording.recording import Recording
from ..recording.sources import streams_of
from ..recording.tail_reader import Chunk
from .target import Target


class ByStream:
    """Gives what each stream writes to the target of that stream; leaves out all others.

    One thread serves all of them, so that loggers that share a handler get their records in the
    order of the log. A target that fails gets nothing more; the others go on.

    Parameters
    ----------
    targets
        By the name of the stream: ``stdout``, ``stderr``, ``fd 5``. It is also that of labelled
        children and of processes kept from earlier cells.
    """

    #: The last bytes of all may be those of one stream alone.
    tail_bytes: int | None = None

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self.is_seen = any(target.is_seen for target in targets.values())
        self._targets = dict(targets)
        self._working = list({id(target): target for target in targets.values()}.values())
        self._failure: BaseException | None = None

    @property
    def error(self) -> BaseException | None:
        """See `Target`."""
        errors = (self._failure, *(target.error for target in self._working))
        return next((error for error in errors if error is not None), None)

    @error.setter
    def error(self, error: BaseException | None) -> None:
        self._failure = error
        if error is None:
            for target in self._working:
                target.error = None

    @property
    def should_continue(self) -> Callable[[], bool]:
        """See `Target`."""
        return self._should_continue

    @should_continue.setter
    def should_continue(self, should_continue: Callable[[], bool]) -> None:
        self._should_continue = should_continue
        for target in self._targets.values():
            target.should_continue = should_continue

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        self._recording = recording
        for target in self._working:
            target.open(recording)

    def show(self, chunks: list[Chunk]) -> None:
        """See `Target`."""
        for target, group in itertools.groupby(chunks, key=self._target_of):
            if target is not None:
                self._each([target], operator.methodcaller("show", list(group)))

    def skip(self, count: int) -> None:
        """See `Target`."""
        self._each(self._working, operator.methodcaller("skip", count))

    def tick(self) -> None:
        """See `Target`."""
        self._each(self._working, operator.methodcaller("tick"))

    def catch_up(self) -> None:
        """See `Target`."""
        self._each(self._working, operator.methodcaller("catch_up"))

    def cleared(self) -> None:
        """See `Target`."""
        self._each(self._working, operator.methodcaller("cleared"))

    def capture_ended(self) -> None:
        """See `Target`."""
        self._each(self._working, operator.methodcaller("capture_ended"))

    def close(self) -> None:
        """See `Target`."""
        self._each(set(self._targets.values()), operator.methodcaller("close"))

    def _target_of(self, chunk: Chunk) -> Target | None:
        for stream in streams_of(self._recording.sources[chunk.source]):
            target = self._targets.get(stream)
            if target in self._working:
                return target
        return None

    def _each(self, targets: Iterable[Target], step: Callable[[Target], object]) -> None:
        for target in list(targets):
            try:
                step(target)
            except Exception as error:
                self._failure = self._failure or error
                if target in self._working:
                    self._working.remove(target)
