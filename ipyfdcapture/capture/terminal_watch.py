"""What happens at terminals that are captured: their size, and who waits for a key there.

A thread looks now and then. A handler for SIGWINCH would not do: there may be one of the user's, it
runs in the main thread alone, and not while native code runs there.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..system import clock
from ..system.descriptors import Descriptor
from ..system.forking import fork_safe_lock
from ..system.polling import is_closed
from ..system.processes import descendants, program_of, waits_to_read
from ..system.terminals import USUAL_SIZE, Size, set_size, size_of
from ..system.threads import WorkThread
from .terminals import users_terminal

#: How often to look at the size: people who drag a window see it follow.
_LOOK_S = 0.25
#: A program that has waited for so long will wait for ever.
_PATIENCE_S = 2.0
#: How long the end of a capture waits for a look to end.
_END_S = 2.0


class _Watched(NamedTuple):
    """A terminal: one of its ends, and the name of the end that programs have."""

    end: Descriptor
    name: str


class TerminalWatch:
    """Follows the size of the user's terminal, and says in one line who waits for a key.

    A thread runs as long as there are terminals to watch.

    Parameters
    ----------
    size
        The columns and rows of all terminals. None: they are as large as the user's.
    dup_original
        Returns a new descriptor for what a descriptor was before the capture; None if it is not
        captured.
    is_seen
        Whether the user sees what programs write, so that they can answer on their own terminal.
    outside
        What is printed within it goes past the capture.
    context
        The context that the thread runs in.
    """

    def __init__(
        self,
        size: tuple[int, int] | None,
        dup_original: Callable[[int], int | None],
        is_seen: bool,
        outside: Callable[[], contextlib.AbstractContextManager[None]],
        context: contextvars.Context,
    ) -> None:
        self._fixed_size = None if size is None else Size(*size)
        self._dup_original = dup_original
        #: Whether the size follows that of the user's terminal.
        self.may_change = size is None and self._users_size() is not None
        self._size = self.size
        self._is_seen = is_seen
        self._outside = outside
        self._context = context
        self._watched: list[_Watched] = []
        self._waiting_since: dict[int, float] = {}  # by process
        self._told: set[int] = set()
        self._lock = fork_safe_lock()
        self._thread: WorkThread | None = None
        self._end = threading.Event()
        self._owner = os.getpid()

    @property
    def size(self) -> Size:
        """The size that a terminal is to have now."""
        return self._fixed_size or self._users_size() or USUAL_SIZE

    def _users_size(self) -> Size | None:
        with self._users_terminal() as terminal:
            return None if terminal is None else size_of(terminal)

    @contextlib.contextmanager
    def _users_terminal(self) -> Iterator[Descriptor | None]:
        terminal = users_terminal(self._dup_original)
        try:
            yield terminal
        finally:
            if terminal is not None:
                terminal.close()

    def add(self, end: Descriptor, name: str) -> None:
        """Watch a terminal until nobody has it open, or `end` is closed.

        Where no thread can be started, nothing is watched.
        """
        with self._lock, contextlib.suppress(RuntimeError):
            self._watched.append(_Watched(end, name))
            if self._thread is None and not self._end.is_set():
                self._thread = WorkThread(self._run, "ipyfdcapture-terminals")
                self._context.copy().run(self._thread.start)
        if self.may_change:  # it may have changed since the terminal was opened
            _resize(end, self.size)

    def stop(self) -> None:
        """End, before the terminals are closed. Idempotent."""
        self._end.set()
        thread = self._thread
        if self._owner == os.getpid() and thread is not None and thread.is_alive():
            thread.wait(_END_S)

    def _run(self) -> None:
        next_look = clock.monotonic()
        while not self._end.wait(_LOOK_S):
            if self.may_change:
                with contextlib.suppress(OSError):  # the terminal has gone
                    self._follow_size()
            if clock.monotonic() >= next_look:
                next_look = clock.monotonic() + _PATIENCE_S / 2
                if not self._has_some():
                    break
                self._look_for_who_waits()

    def _has_some(self) -> bool:
        """Forget the terminals that have gone; tell whether one is left."""
        with self._lock:
            self._watched = [
                each for each in self._watched if each.end.is_ours() and not is_closed(each.end)
            ]
            if not self._watched:
                self._thread = None
            return bool(self._watched)

    def _follow_size(self) -> None:
        with self._users_terminal() as terminal:
            size = None if terminal is None else size_of(terminal)
            if terminal is None or size is None or size == self._size:
                return
            self._size = size
            for each in self._watched[:]:
                _resize(each.end, size)
            # The signal came before the terminals had their new size, and programs ask for it
            # then: so whom the user's terminal told is told again. Others do not notice.
            os.killpg(os.tcgetpgrp(terminal), signal.SIGWINCH)

    def _look_for_who_waits(self) -> None:
        now = clock.monotonic()
        waiting = {}
        for pid in descendants(os.getpid()):
            file = waits_to_read(pid)
            if not self._needs_help(file):
                continue
            waiting[pid] = self._waiting_since.get(pid, now)
            if now - waiting[pid] >= _PATIENCE_S and pid not in self._told:
                self._told.add(pid)
                self._tell(pid, file)
        self._waiting_since = waiting

    def _needs_help(self, file: str) -> bool:
        """Tell whether who reads a file waits for what the user cannot know of, or cannot give."""
        if self._is_watched(file):
            return True
        # What asks ``/dev/tty`` itself is seen there.
        return (
            not self._is_seen
            and file.startswith(("/dev/pts/", "/dev/tty"))
            and (file != "/dev/tty")
        )

    def _is_watched(self, file: str) -> bool:
        return file != "" and any(file == each.name for each in self._watched[:])

    def _tell(self, pid: int, file: str) -> None:
        what = (
            "a key, and nobody can press one there: interrupt it, or run it without tty"
            if self._is_watched(file)
            else "you to type something; --live shows what it says"
        )
        with contextlib.suppress(Exception), self._outside():  # a stream of the user's may fail
            print(
                f"ipyfdcapture: {program_of(pid)} (process {pid}) waits for {what}",
                file=sys.stderr,
                flush=True,
            )


def _resize(end: Descriptor, size: Size) -> None:
    with contextlib.suppress(OSError):  # it has gone
        if end.is_ours():
            set_size(end, size)
