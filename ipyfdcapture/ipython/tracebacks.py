"""Tracebacks of captured statements, without our frames in them.

What a user sees begins at the line that they typed, and goes on in the code that they ran.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

_OURS = os.path.dirname(__file__) + os.sep
_PACKAGE = os.path.dirname(os.path.dirname(__file__))
#: Where functions are that stand in for others, such as `os.write`: an error in them is never ours.
_STAND_INS = os.path.join(_PACKAGE, "output", ""), os.path.join(_PACKAGE, "system", "replacing.py")
#: What our frames call: an interrupt that is raised there is raised in ours.
_CALLED = contextlib.__file__, threading.__file__
#: IPython's frames between the user's line and ours.
_CALLS = ("run_line_magic", "run_cell_magic")
_SHELL = sys.modules[InteractiveShell.__module__].__file__


@contextlib.contextmanager
def without_our_frames(*args: Any, **kwargs: Any) -> Iterator[None]:
    """Take our frames out of the error that the shell is about to show, before it does."""
    given = args[0] if args else kwargs.get("exc_tuple")
    seen: set[int] = set()
    errors = [given[1] if given else sys.exc_info()[1] or getattr(sys, "last_value", None)]
    while errors:
        error = errors.pop()
        if isinstance(error, BaseException) and id(error) not in seen:
            seen.add(id(error))
            if isinstance(error, KeyboardInterrupt):
                _cut(error.__traceback__)
            _trim(error.__traceback__)
            errors += [error.__cause__, error.__context__]
    yield


def _trim(traceback: TracebackType | None) -> None:
    """Take our frames out of a traceback.

    Not those at its end, where the error is ours, unless they only stand in for others.
    """
    while traceback is not None:
        rest = traceback.tb_next
        while rest is not None and _is_shells(rest) and rest.tb_next and _is_ours(rest.tb_next):
            rest = rest.tb_next
        is_others = True
        while rest is not None and _is_ours(rest):
            is_others = is_others and _stands_in(rest)
            rest = rest.tb_next
        if rest is not None or is_others:
            traceback.tb_next = rest
        traceback = traceback.tb_next


def _cut(traceback: TracebackType | None) -> None:
    """Let the traceback of an interrupt end before our frames, if it was raised in them.

    It is not ours; and what a shell keeps of the last error would keep the log.
    """
    steps = []
    while traceback is not None:
        steps.append(traceback)
        traceback = traceback.tb_next
    end = len(steps)
    while end and _file_of(steps[end - 1]).startswith((_PACKAGE + os.sep, *_CALLED)):
        end -= 1
    while end < len(steps) and _file_of(steps[end]) in _CALLED:  # the user has called that
        end += 1
    if end < len(steps):
        while end > 1 and _is_shells(steps[end - 1]):
            end -= 1
        if end:
            steps[end - 1].tb_next = None


def _file_of(traceback: TracebackType) -> str:
    return traceback.tb_frame.f_code.co_filename


def _is_ours(traceback: TracebackType) -> bool:
    return _file_of(traceback).startswith((_OURS, *_STAND_INS))


def _stands_in(traceback: TracebackType) -> bool:
    return _file_of(traceback).startswith(_STAND_INS)


def _is_shells(traceback: TracebackType) -> bool:
    code = traceback.tb_frame.f_code
    return code.co_name in _CALLS and code.co_filename == _SHELL
