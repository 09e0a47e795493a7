"""The thread that follows a recording for one target."""

from __future__ import annotations

import contextlib
import contextvars
import os
import threading
from collections.abc import Callable

from ..recording.recording import Recording
from ..recording.shown import ShownElsewhere
from ..recording.tail_reader import READ_BYTES, Chunk, RecordingTail
from ..system import clock
from ..system.interrupts import interrupt_waits
from ..system.threads import WorkThread
from ..system.user_warnings import warn_user
from ..system.waker import Waker
from .target import Target

#: At the end of a capture, wait this long (s) for a target that makes no progress.
GRACE_S = 2.0
#: How soon an interrupt is noticed while waiting.
_INTERRUPT_S = 0.1
#: A look that comes later than this (s) comes late because the whole process was stopped, by Ctrl-Z
#: or with its container: that time counts for nobody.
_STOPPED_S = 0.5
#: What was flushed just now is recorded by then.
_DRAIN_S = 0.005


class Follower:
    """Gives what a recording gains to a target, in a thread of its own.

    A target that is slow, fails or blocks never blocks the drain or a writer. One that fails gets
    nothing more, and the user gets one warning.

    What comes after a pause is shown at once if the drain wakes the thread (`waker`), and what
    comes then an interval later. Without that, it looks every interval.
    """

    def __init__(
        self,
        recording: Recording,
        target: Target,
        interval: float,
        name: str,
        before_look: Callable[[], bool] = lambda: False,
        position: int = 0,
        outside: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self._recording = recording
        self._target = target
        self._interval = min(interval, threading.TIMEOUT_MAX)
        self.name = name
        self._before_look = before_look
        #: What the target prints within it goes past the capture.
        self._outside = outside
        self._following = RecordingTail(recording, position)
        self._shown_elsewhere = ShownElsewhere(recording.path)
        self._turn = threading.Condition()
        self._wanted = 0  # how often someone asked for everything to be shown
        self._done = 0
        self._steps = 0  # what tells a slow target from one that is stuck
        self._ended = False
        self._abandoned = self._finished = False
        self._late = self._was_cleared = False
        self._owner = os.getpid()  # in a forked child there is no thread
        self._next_tick = 0.0
        self._next_show = 0.0  # what comes before is shown then
        #: What the target prints goes where it would from here.
        self._context = contextvars.Context()
        self._thread = WorkThread(lambda: self._context.run(self._run), f"ipyfdcapture-{name}")
        target.open(recording)
        target.should_continue = self._should_continue
        #: Wakes it: something was recorded.
        self.waker = Waker()

    def start(self) -> None:
        """Begin, in a copy of this context. Raises `OSError` if no thread can be started."""
        self._context = contextvars.copy_context()
        try:
            self._thread.start()
        except RuntimeError as error:
            self._following.close()
            self.waker.close()
            raise OSError(str(error)) from error

    @property
    def is_seen(self) -> bool:
        """Whether the user sees it among what the cell shows."""
        return self._target.is_seen

    def abandon(self) -> None:
        """Give the target nothing more, from now on."""
        self._abandoned = True
        if self._is_ours:
            with self._turn:
                self._wake()

    @property
    def _is_ours(self) -> bool:
        """Whether this is the process of the thread. Elsewhere its lock may never be free."""
        return self._owner == os.getpid()

    def _wake(self) -> None:
        if not self._finished:
            self.waker.wake()

    def catch_up(self, patience: float = GRACE_S, limit: float | None = None) -> None:
        """Have everything shown that is recorded by now.

        Gives up on a target that makes no progress for ``patience`` seconds, takes longer than
        ``limit`` seconds, or is waited for when an interrupt comes.
        """
        if self._thread.is_current() or not self._is_ours:
            return
        with self._turn:
            self._wanted += 1
            wanted = self._wanted
            self._wake()
            waited = quiet = 0.0
            before, steps = clock.monotonic(), self._steps
            while self._done < wanted and not self._finished and self._thread.is_alive():
                self._turn.wait(min(patience, _INTERRUPT_S))
                now = clock.monotonic()
                passed, before = min(now - before, _STOPPED_S), now
                waited += passed
                quiet += passed
                if steps != self._steps:
                    steps, quiet = self._steps, 0.0
                too_late = limit is not None and waited >= limit
                if quiet >= patience or too_late or interrupt_waits():
                    self._abandoned = self._done < wanted
                    break

    def cleared(self) -> None:
        """Tell the target that what it has shown is gone from where it was shown."""
        self._was_cleared = True

    def capture_ended(self, patience: float = GRACE_S, limit: float | None = None) -> None:
        """Have everything shown, and take what comes from now on as late output.

        Returns when that is done, or when `catch_up` gives up.
        """
        if not self._is_ours:
            return
        with self._turn:
            self._ended = True
        self.catch_up(patience, limit)
        in_thread = self._thread.is_current()
        if self._recording.is_complete and not self._abandoned and not in_thread:
            self._thread.wait(patience)
        if self._abandoned:
            self._warn("does not take what it is given; it is given nothing more")
        elif not self._finished and not self._thread.is_alive():
            # What a program has every thread do first, such as `threading.settrace`, has failed.
            self._end()
            self._warn("is given nothing more: its thread has died")
        else:
            self._warn_of_error()
        if self._following.skipped and not self.is_seen:
            missed, self._following.skipped = self._following.skipped, 0
            self._warn(f"missed {missed:,} bytes, which max_bytes had dropped by then")

    def _warn_of_error(self) -> None:
        with self._turn:  # the thread may warn of it as well
            error, self._target.error = self._target.error, None
        if error is not None:
            self._warn(f"failed: {type(error).__name__}: {error}")

    def _warn(self, what: str) -> None:
        warn_user(f"ipyfdcapture: the live target {self.name} {what}. The log itself is complete")

    # -- in the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._note_failure(self._follow_outside)
        finally:
            self._end()

    def _follow_outside(self) -> None:
        with self._outside():
            self._note_failure(self._follow)
            self._note_failure(self._target.close)

    def _end(self) -> None:
        with contextlib.ExitStack() as ending:  # a warning may be an error: nothing is left out
            ending.callback(self.waker.close)
            ending.callback(self._finish)
            if self._late:
                ending.callback(self._warn_of_error)
            self._following.close()
            self._target.should_continue = _never  # it referred to us, who hold the target

    def _finish(self) -> None:
        with self._turn:
            self._done = self._wanted
            self._finished = True
            self._turn.notify_all()

    def _note_failure(self, step: Callable[[], object]) -> None:
        try:
            step()
        except BaseException as error:
            self._target.error = self._target.error or error

    def _should_continue(self) -> bool:
        """Asked by targets that take their time, before each line: it counts as progress."""
        self._steps += 1
        return not self._abandoned

    def _follow(self) -> None:
        while not self._abandoned:
            wanted, ended = self._wait_for_turn()
            if self._late:
                self._recording.wait(0)
            elif not ended and self._before_look() and wanted == self._done:
                self.waker.wait(_DRAIN_S)
            if self._was_cleared:
                self._was_cleared = False
                self._target.cleared()
            # Asked before the look: afterwards, something could have come in between.
            is_all = ended and self._recording.is_complete
            self._take_everything()
            if wanted != self._done:
                self._target.catch_up()
            else:
                self._tick()
            if ended and not self._late:
                self._target.capture_ended()
                self._late = True
            with self._turn:
                self._done = wanted
                self._steps += 1
                self._turn.notify_all()
            if is_all:
                return

    def _wait_for_turn(self) -> tuple[int, bool]:
        until = clock.monotonic() + self._interval
        while self._wanted == self._done and not self._abandoned:
            left = until - clock.monotonic()
            if left <= 0:
                break
            if self.waker.wait(left):
                until = min(until, self._next_show)
        with self._turn:
            return self._wanted, self._ended

    def _take_everything(self) -> None:
        """Give the target what is there now.

        What comes meanwhile is for the next time: a writer may never pause.
        """
        following = self._following
        end = following.end()
        is_news = following.position < end
        if is_news and self._wanted == self._done:
            self._next_tick = 0.0  # shown at once
        while not self._abandoned and following.position < end:
            tail_bytes = self._target.tail_bytes
            start = max(following.oldest(), 0 if tail_bytes is None else end - tail_bytes)
            if start > following.position:
                self._target.skip(following.skip(start))
            position = following.position
            chunks = following.read(min(READ_BYTES, end - position))
            if not chunks:
                break
            if self.is_seen:
                chunks = self._not_shown_elsewhere(chunks, position)
            if chunks:
                self._target.show(chunks)
            with self._turn:
                self._steps += 1
            # A writer that never pauses must not keep back what waits to be shown.
            self._tick()
        if is_news:
            self._next_show = clock.monotonic() + self._interval

    def _not_shown_elsewhere(self, chunks: list[Chunk], position: int) -> list[Chunk]:
        """Leave out what a kept process wrote while a later cell showed it."""
        self._shown_elsewhere.update()
        kept = []
        for chunk in chunks:
            if not self._shown_elsewhere.has(chunk.source, position):
                kept.append(chunk)
            position += len(chunk.data)
        return kept

    def _tick(self) -> None:
        now = clock.monotonic()
        if now >= self._next_tick:
            self._next_tick = now + self._interval
            self._target.tick()


def _never() -> bool:
    return False
