"""The terminals of a capture with ``tty``: their size, and what tells programs of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from ..system.descriptors import Descriptor
from ..system.terminals import USUAL_SIZE, Size, size_of

#: Values of ``TERM`` that say that there is no terminal to speak of. The last is what ipykernel
#: says, whose front ends show more colours than the eight of that one.
_NO_TERMINALS = ("", "dumb", "unknown", "xterm-color")
#: What a notebook shows: text in colours. Each system knows it.
_TERMINAL = "xterm-256color"
#: Programs that page on a terminal wait for a key, which nobody can press.
_PAGERS = ("PAGER", "GIT_PAGER", "MANPAGER", "SYSTEMD_PAGER")


def choose_size(wanted: tuple[int, int] | None, original: int) -> Size:
    """Return the size that a terminal in the place of descriptor ``original`` is to have."""
    if wanted is not None:
        return Size(*wanted)
    return size_of(original) or USUAL_SIZE


def users_terminal(dup_original: Callable[[int], int | None]) -> Descriptor | None:
    """Return the terminal that a captured descriptor led to before; None if neither did.

    Parameters
    ----------
    dup_original
        Returns a new descriptor for what a captured one was; None if it is not captured.
    """
    for fd in (1, 2):
        original = dup_original(fd)
        if original is not None:
            found = Descriptor(original)
            if size_of(found) is not None:
                return found
            found.close()
    return None


def variables(
    size: Size, environment: Mapping[str, str], may_change: bool = False
) -> dict[str, str]:
    """Return what is to be added to an environment whose programs get a terminal.

    With ``may_change`` the size is left out: programs would take it for fixed, whatever the
    terminal says later.
    """
    added = {} if may_change else {"COLUMNS": str(size.columns), "LINES": str(size.rows)}
    if environment.get("TERM", "") in _NO_TERMINALS:
        added["TERM"] = _TERMINAL
    return added | dict.fromkeys(_PAGERS, "cat")


def set_variables(size: Size, may_change: bool) -> Callable[[], None]:
    """Add `variables` to the environment of this process; return what takes them away again.

    One that the user has set meanwhile stays.
    """
    added = variables(size, os.environ, may_change)
    before = {name: os.environ.get(name) for name in added}

    def undo() -> None:
        for name, value in before.items():
            if os.environ.get(name) != added[name]:
                continue
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

    os.environ.update(added)
    return undo
