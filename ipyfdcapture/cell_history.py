"""The logs of past cells, kept by ``%capture_fd --every-cell``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .captured import Captured


class History(Mapping[int, Captured]):
    """Captured logs by the number of their cell, the oldest first.

    Once all together hold more than ``max_bytes``, the oldest go.
    """

    def __init__(self, max_bytes: int | None = None) -> None:
        self.max_bytes = max_bytes
        self._logs: dict[int, Captured] = {}

    def add(self, number: int, captured: Captured) -> None:
        """Keep the log of cell ``number``; let go of the oldest that no longer fit."""
        self._logs.pop(number, None)
        self._logs[number] = captured
        if self.max_bytes is None:
            return
        total = sum(each.nbytes for each in self._logs.values())
        while total > self.max_bytes and len(self._logs) > 1:
            total -= self._logs.pop(next(iter(self._logs))).nbytes

    def clear(self) -> None:
        """Let go of all."""
        self._logs.clear()

    def __getitem__(self, number: int) -> Captured:
        try:
            return self._logs[number]
        except KeyError:
            kept = ", ".join(map(str, self._logs)) or "none"
            raise KeyError(f"no log of cell {number} is kept; there are: {kept}") from None

    def __iter__(self) -> Iterator[int]:
        return iter(self._logs)

    def __len__(self) -> int:
        return len(self._logs)

    def __repr__(self) -> str:
        lines = [f"  [{number}] {captured!r}" for number, captured in self._logs.items()]
        return "\n".join([f"<history of {len(lines)} cells>", *lines])
