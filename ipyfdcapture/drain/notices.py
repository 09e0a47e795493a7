"""What the user is to be told of what happened during a capture, once that is over."""

from __future__ import annotations

import warnings
from collections import deque


class Notices:
    """Warnings that wait until they are not captured themselves."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()
        self._once: set[str] = set()

    def add(self, message: str) -> None:
        """Warn of something at the next `show`."""
        self._waiting.append(message)

    def add_once(self, message: str) -> None:
        """The same, if it was not warned of before."""
        if message not in self._once:
            self._once.add(message)
            self.add(message)

    def show(self) -> None:
        """Show all warnings.

        Where warnings are errors, the first is raised once all were shown. So this comes last,
        when everything else is done.
        """
        first: BaseException | None = None
        while self._waiting:
            try:
                warnings.warn(self._waiting.popleft(), RuntimeWarning, stacklevel=3)
            except Exception as error:
                first = first or error
        if first is not None:
            raise first
