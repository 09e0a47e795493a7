"""A viewer's session without a browser."""

from __future__ import annotations

import base64
import contextlib
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from helpers.wait import LIMIT_S, eventually
from ipyfdcapture.log.captured import Captured
from ipyfdcapture.viewer import finder, waiting
from ipyfdcapture.viewer.requests import Pattern
from ipyfdcapture.viewer.scan import Scan
from ipyfdcapture.viewer.session import Session

NO_FILTER: dict[str, Any] = {
    "level": None,
    "sources": None,
    "exclude": [],
    "within": [],
    "only": False,
    "context": 0,
    "first": None,
    "last": None,
}


class Asked:
    """A session, and what it has sent."""

    def __init__(self, log: Captured, search: str | None = None, level: str | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        pattern = None if search is None else Pattern(search)
        self.session = Session(log, self.events.append, pattern, level)

    def ask(self, kind: str, /, **content: Any) -> dict[str, Any]:
        reply = self.session.handle({"id": 1, "do": kind} | content)
        self.session.begin()
        return reply

    def settle(self) -> dict[str, Any]:
        """Wait until nothing is looked for, and return how things stand."""
        self.ask("info")
        eventually(self._is_idle, "the end of all scans")
        return self.ask("info")

    def _is_idle(self) -> bool:
        with self.session.lock:
            return self.session.finder.is_idle

    def search(self, text: str, *, regex: bool = False, case: bool = True) -> dict[str, Any]:
        self.ask("search", pattern={"text": text, "regex": regex, "case": case})
        return self.settle()

    def filter(self, **wanted: Any) -> list[int]:
        """Return the numbers of the lines that a filter shows."""
        reply = self.ask("filter", **(NO_FILTER | wanted))
        assert "error" not in reply, reply
        self.settle()
        return self.numbers()

    def text(self, start: int, stop: int) -> str:
        """Return the text of shown lines, of as many as one answer holds."""
        packed = self.ask("text", start=start, stop=stop)["packed"]
        return zlib.decompress(base64.b64decode(packed)).decode()

    def numbers(self) -> list[int]:
        rows: list[list[Any]] = []
        while more := self.ask("rows", start=len(rows), count=1000)["rows"]:
            rows += more
        return [row[0] for row in rows]

    def steps(self, what: str, back: bool = False, **more: Any) -> list[int]:
        """Return where one gets to, step by step, as indices."""
        start = -1 if not back else 10**6
        found: list[int] = []
        while True:
            reply = self.ask("step", what=what, back=back, start=start, **more)
            if reply["index"] is None:
                return found
            start = reply["index"]
            found.append(start)

    def event(self, wanted: Any, what: str, timeout: float = LIMIT_S) -> dict[str, Any]:
        """Return the first event that is as wanted, seen or yet to come."""
        found: list[dict[str, Any]] = eventually(
            lambda: [event for event in list(self.events) if wanted(event)], what, timeout
        )
        return found[0]


@contextlib.contextmanager
def asked(log: Captured, search: str | None = None, level: str | None = None) -> Iterator[Asked]:
    made = Asked(log, search, level)
    try:
        yield made
    finally:
        thread = made.session._waiter._thread
        made.session.close()
        if thread is not None:
            thread.join(LIMIT_S)


class SharedScan(Scan):
    """One process for many sessions: to start one for each would take most of the time."""

    def close(self) -> None:
        for number in list(self._copies):
            self._delete_copies(number)


@contextlib.contextmanager
def shared_scan() -> Iterator[None]:
    """Have all sessions use one scan process, one after another."""
    scan = SharedScan()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finder, "Scan", lambda: scan)
        patch.setattr(waiting, "GROWTH_S", 0.02)
        try:
            yield
        finally:
            Scan.close(scan)
