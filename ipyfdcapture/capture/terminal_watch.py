"""What happens at the terminals of a capture while it runs: their size, and who waits for a key.

A thread looks now and then. A handler for SIGWINCH would not do: there may be one of the user's, it
runs in the main thread alone, and not while native code runs there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from ..system.descriptors import Descriptor
from ..system.processes import descendants, program_of, waits_to_read
from ..system.terminals import set_size, size_of
from ..system.threads import WorkThread

#: How often to look at the size: people who drag a window see it follow.
_LOOK_S = 0.25
#: A program that has waited for so long will wait for ever.
_PATIENCE_S = 2.0
#: How long the end of a capture waits for a look to end.
_END_S = 2.0


class TerminalWatch:
    """Follows the size of the user's terminal, and says in one line who waits for a key.

    Parameters
    ----------
    terminals
        Descriptors of the capture's terminals.
    followed
        The terminal whose size they are to have, which this closes at the end. None: theirs stays.
    is_seen
        Whether the user sees what programs write, so that they can answer on their own terminal.
    outside
        What is printed within it goes past the capture.
    """

    def __init__(
        self,
        terminals: list[Descriptor],
        followed: Descriptor | None,
        is_seen: bool,
        outside: Callable[[], contextlib.AbstractContextManager[None]],
    ) -> None:
        self._terminals = terminals
        self._names = {os.ttyname(terminal) for terminal in terminals}
        self._followed = followed
        self._size = None if followed is None else size_of(followed)
        self._is_seen = is_seen
        self._outside = outside
        self._waiting_since: dict[int, float] = {}  # by process
        self._told: set[int] = set()
        self._end = threading.Event()
        self._owner = os.getpid()
        self._thread = WorkThread(self._run, "ipyfdcapture-terminals")

    def start(self) -> None:
        """Begin. Where no thread can be started, nothing is watched."""
        with contextlib.suppress(RuntimeError):
            self._thread.start()

    def stop(self) -> None:
        """End, before the terminals are closed."""
        self._end.set()
        if self._owner == os.getpid() and self._thread.is_alive():
            self._thread.wait(_END_S)
        if self._followed is not None:
            self._followed.close()

    def _run(self) -> None:
        next_look = time.monotonic()
        while not self._end.wait(_LOOK_S):
            with contextlib.suppress(OSError):  # the terminal has gone
                self._follow_size()
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + _PATIENCE_S / 2
                self._look_for_who_waits()

    def _follow_size(self) -> None:
        followed = self._followed
        size = size_of(followed) if followed is not None and followed.is_ours() else None
        if followed is None or size is None or size == self._size:
            return
        self._size = size
        for terminal in self._terminals:
            if terminal.is_ours():
                set_size(terminal, size)
        # The signal came before the terminals had their new size, and programs ask for it then: so
        # whom the user's terminal has told is told again. Who has no handler does not notice.
        os.killpg(os.tcgetpgrp(followed), signal.SIGWINCH)

    def _look_for_who_waits(self) -> None:
        now = time.monotonic()
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
        if file in self._names:
            return True
        # What asks ``/dev/tty`` itself is seen there.
        return (
            not self._is_seen
            and file.startswith(("/dev/pts/", "/dev/tty"))
            and (file != "/dev/tty")
        )

    def _tell(self, pid: int, file: str) -> None:
        what = (
            "a key, and nobody can press one there: interrupt it, or run it without --tty"
            if file in self._names
            else "you to type something; --live shows what it says"
        )
        with contextlib.suppress(Exception), self._outside():  # a stream of the user's may fail
            print(
                f"ipyfdcapture: {program_of(pid)} (process {pid}) waits for {what}",
                file=sys.stderr,
                flush=True,
            )
