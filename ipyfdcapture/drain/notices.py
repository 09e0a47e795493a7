"""Warnings about a capture, which wait until it is over."""

from __future__ import annotations

from collections import deque

from ..system.user_warnings import warn_user


class Notices:
    """Warnings that wait until they are not captured themselves."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()

    def add(self, message: str) -> None:
        """Warn of something at the next `show`."""
        self._waiting.append(message)

    def show(self) -> None:
        """Show all warnings.

        Where warnings are errors, the first is raised once all were shown. So this comes last,
        when everything else is done.
        """
        first: BaseException | None = None
        while self._waiting:
            try:
                warn_user(self._waiting.popleft())
            except Exception as error:
                first = first or error
        if first is not None:
            raise first
