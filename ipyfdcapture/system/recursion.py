"""Room for calls where a program has used up all that the recursion limit allows."""

from __future__ import annotations

import sys

from .forking import fork_safe_lock

#: So many calls deep may a section go beyond the limit of the program. The end of a capture goes
#: some 25 deep; a warning that it shows, or the first capture of a program, which imports, deeper.
_ROOM = 300

_lock = fork_safe_lock()
_sections = 0
#: The program's limit, while ours is in its place.
_limit: int | None = None


class RoomForCalls:
    """A section that may call functions where the program itself could not.

    A context manager. An error amid a section that puts things back would leave the rest as it is.
    """

    _is_entered = False

    def __enter__(self) -> None:
        try:
            with _lock:
                self._enter()
        except BaseException:
            self.__exit__()
            raise

    def _enter(self) -> None:
        global _sections, _limit
        self._is_entered = True
        _sections += 1
        if _limit is None:
            _limit = sys.getrecursionlimit()
            sys.setrecursionlimit(_limit + _ROOM)

    def __exit__(self, *_: object) -> None:
        with _lock:
            if self._is_entered:
                self._is_entered = False
                self._leave()

    def _leave(self) -> None:
        global _sections, _limit
        _sections -= 1
        limit = _limit  # at any line from here on, a signal's handler may capture, and reset it
        if _sections or limit is None:
            return
        try:
            # The program may have set another one meanwhile.
            if sys.getrecursionlimit() == limit + _ROOM:
                sys.setrecursionlimit(limit)
        except RecursionError:  # it is as deep as that: the end of a later section tries again
            return
        _limit = None
