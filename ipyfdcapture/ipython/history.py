"""The logs of past cells, kept by ``%capture_fd --every-cell``."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..log.view.words import size, time_span

if TYPE_CHECKING:
    from ..log.captured import Captured


class History(Mapping[int, "Captured"]):
    """Captured logs by the number of their cell, the oldest first.

    Once all together hold more than ``max_bytes``, the oldest go.
    """

    def __init__(self, max_bytes: int | None = None) -> None:
        self.max_bytes = max_bytes
        self._logs: dict[int, Captured] = {}
        self._sizes: dict[int, int] = {}
        self._growing: set[int] = set()  # those whose children still write
        self._lock = threading.RLock()  # cells of several subshells may end at once

    def add(self, number: int, captured: Captured) -> None:
        """Keep the log of cell ``number``; let go of the oldest that no longer fit."""
        with self._lock:
            self._remove(number)
            self._logs[number] = captured
            self._growing.add(number)
            for each in list(self._growing):
                self._measure(each)
            total = sum(self._sizes.values())
            while self.max_bytes is not None and total > self.max_bytes and len(self._logs) > 1:
                oldest = next(iter(self._logs))
                total -= self._sizes[oldest]
                self._remove(oldest)

    def _measure(self, number: int) -> None:
        captured = self._logs[number]
        if captured.recording.why_gone:
            self._remove(number)
            return
        complete = captured.complete
        self._sizes[number] = captured.nbytes
        if complete:
            self._growing.discard(number)

    def _remove(self, number: int) -> None:
        self._logs.pop(number, None)
        self._sizes.pop(number, None)
        self._growing.discard(number)

    def clear(self) -> None:
        """Let go of all."""
        with self._lock:
            self._logs.clear()
            self._sizes.clear()
            self._growing.clear()

    def __getitem__(self, number: int) -> Captured:
        try:
            return self._logs[number]
        except KeyError:
            kept = ", ".join(map(str, self._logs)) or "none"
            raise KeyError(f"no log of cell {number} is kept; there are: {kept}") from None

    def __iter__(self) -> Iterator[int]:
        with self._lock:
            return iter(list(self._logs))

    def __len__(self) -> int:
        return len(self._logs)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        import html

        rows = [_row(number, self._logs[number]) for number in self]
        head = "".join(f'<th style="text-align:left">{column}</th>' for column in _COLUMNS)
        body = "".join(
            "<tr>" + "".join(f'<td style="{_CELL}">{html.escape(c)}</td>' for c in row) + "</tr>"
            for row in rows
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return {"text/plain": repr(self), "text/html": table}

    def __repr__(self) -> str:
        lines = [f"  [{number}] {self._logs[number]!r}" for number in self]
        return "\n".join([f"<history of {len(lines)} cells>", *lines])


_COLUMNS = ("cell", "first line", "lines", "size", "worst level", "time")
_CELL = "text-align:left;white-space:pre;max-width:40em;overflow:hidden;text-overflow:ellipsis"


def _row(number: int, log: Captured) -> tuple[str, ...]:
    """Return what the table shows of a log, a text a column."""
    if why := log.recording.why_gone:
        return (f"[{number}]", why, "", "", "", "")
    from ..log.view.ansi import plain

    first_line = plain(log.recording.metadata.first_line or "")
    worst = next(reversed(log.levels()), "")
    counts = (f"{len(log):,}", size(log.nbytes), worst, time_span(log.duration))
    return (f"[{number}]", first_line, *counts)


#: The logs of past cells; `ipyfdcapture.history`.
history = History()
