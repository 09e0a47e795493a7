"""The thread of a session: it waits for what scans find, and looks whether the log has grown.

A kernel that is busy with a cell may answer nothing, but this thread goes on, so that the view
keeps moving.
"""

from __future__ import annotations

import select
import threading
from typing import Literal, Protocol

from ..log.captured import Captured
from ..system import clock
from ..system.threads import WorkThread
from .finder import Finder
from .scan import Scan
from .wire import Message

#: While a scan is at work, tell how far it is this often (s).
STATUS_S = 0.1
#: While the log grows, look this often (s).
GROWTH_S = 0.25
#: A limited log that grows is numbered anew at each look, and looked through anew.
MOVING_S = 2.0
#: A scan process with nothing to do, and the mapping of the log, are kept so long (s).
LINGER_S = 60.0

CLOSED = "the log was closed: what is on the screen is all that is left"


class Gone(Exception):
    """The log cannot be read any more; the text says why."""


class Waited(Protocol):
    """The session that is waited for."""

    log: Captured
    finder: Finder
    lock: threading.RLock
    is_closed: bool
    is_complete: bool

    def look(self) -> bool:
        """Read the log as it is now; tell whether that is new. May raise `Gone`."""

    def extend_shown(self) -> None:
        """Take in what was found."""

    def release(self) -> None:
        """Let go of the log and of the scan process."""

    def tell(self, grown: bool = False) -> None:
        """Send how things stand."""

    def say_gone(self, why: str) -> None:
        """Send that there is no log any more."""


class Waiter:
    """Waits for one session, in a thread that runs while there is something to wait for."""

    def __init__(self, session: Waited) -> None:
        self._session = session
        self._thread: WorkThread | None = None
        self._used = self._told = self._looked = 0.0
        self._has_news = False  # that were not told yet

    def wake(self) -> None:
        """Wait from now on, or for some time more. Called with the session's lock."""
        self._used = clock.monotonic()
        if self._thread is None:
            self._thread = WorkThread(self._run, name="ipyfdcapture-viewer")
            self._thread.start()

    def _run(self) -> None:
        session = self._session
        while (scan := self._waited_for()) is not False:
            messages = _receive(scan)
            with session.lock:
                if not session.is_closed:
                    self._take(scan, messages)

    def _waited_for(self) -> Scan | Literal[False] | None:
        """Return the process to wait for, if there is one; False: the thread is to end."""
        session = self._session
        with session.lock:
            if not session.is_closed and session.log.recording.closed:
                session.say_gone(CLOSED)
            elif not session.is_closed:
                lingers = clock.monotonic() - self._used <= LINGER_S
                if lingers or not session.is_complete or not session.finder.is_idle:
                    return session.finder.scan
            session.release()
            self._thread = None
            return False

    def _take(self, scan: Scan | None, messages: list[Message] | None) -> None:
        """Take what came, and look whether the log has grown."""
        session = self._session
        if scan is session.finder.scan:
            if messages is None:
                session.finder.process_is_gone()
            for message in messages or ():
                session.finder.take(message)
            session.extend_shown()
        try:
            grown = self._look()
        except Gone as error:
            session.say_gone(str(error))
            session.is_complete = True
            return
        self._has_news |= messages != []
        is_due = clock.monotonic() - self._told >= STATUS_S
        if grown or (self._has_news and (is_due or session.finder.is_idle)):
            self._told = clock.monotonic()
            self._has_news = False
            session.tell(grown=grown)

    def _look(self) -> bool:
        session = self._session
        limited = session.log.recording.metadata.max_bytes is not None
        now = clock.monotonic()
        if session.is_complete or now - self._looked < (MOVING_S if limited else GROWTH_S):
            return False
        self._looked = now
        return session.look()


def _receive(scan: Scan | None) -> list[Message] | None:
    """Wait a little for what a process sends; None: it is gone."""
    if scan is None:
        clock.sleep(GROWTH_S)
        return []
    try:
        return scan.receive() if select.select([scan], [], [], GROWTH_S)[0] else []
    except (OSError, ValueError):  # it was closed meanwhile
        return None
