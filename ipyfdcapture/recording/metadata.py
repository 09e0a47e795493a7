"""What a recording knows beside its bytes: its sources, its times, its cell, what is missing.

`Metadata` is what the program reads. What a user adds (``capture_fd(facts=...)``) is kept in one
field of it, and nothing in there can take the place of another field.

On disk it is a ``.json`` file beside the recording: one JSON object a line, where a later line
overrides an earlier one. The file may be cut or damaged, by a crash or a power failure; so
`read_changes` takes what is whole and of the right type, and passes over the rest.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from ..checks import check_encoding

#: How many sources in a row may lack a name, since the line that named them was lost. A number
#: beyond that is damage: to make up a name for each source below it could take all memory.
MAX_UNNAMED_SOURCES = 1 << 16
_MAX_INT = 1 << 63


@dataclass(frozen=True)
class Metadata:
    """What is known of one recording beside its bytes.

    It does not change: `ipyfdcapture.recording.recording.Recording` has a method for each change
    that there is, which replaces it, on disk too where a crash must not lose the change.
    """

    #: The names of the sources, in the order of their numbers.
    sources: tuple[str, ...] = ()
    #: When the capture started, stopped in peace, and crashed: ns since the epoch.
    started: int = 0
    stopped: int | None = None
    crashed: int | None = None
    #: How the bytes are decoded.
    encoding: str = "utf-8"
    errors: str = "replace"
    #: The limit that the user set. None: keep all.
    max_bytes: int | None = None
    #: The process that captured.
    process: int | None = None
    #: The notebook (`ipyfdcapture.recording.crashes.notebook_key`), the number of the cell, and
    #: the first line of its code.
    notebook: str | None = None
    cell: int | None = None
    first_line: str | None = None
    #: What the user calls it: the variable, or the file that it was read from.
    name: str | None = None
    #: Whether what was captured ended in an error.
    failed: bool = False
    #: Whether that error was an interrupt.
    interrupted: bool = False
    #: Where bytes are missing in what the recording was begun with: positions, ascending.
    gaps: tuple[int, ...] = ()
    #: How many bytes are missing there, and why, in the system's words.
    dropped_before: int = 0
    dropped_why: str | None = None
    #: Bytes that are missing between the halves of a limited recording, once those were put into
    #: one file for good. None: they were not.
    dropped_at_gap: int | None = None
    #: Whether its own metadata was lost, and made up from the other files.
    reconstructed: bool = False
    #: Whether its index was lost, so that all bytes count as one source's.
    index_lost: bool = False
    #: What the user added. The program shows it (``Captured.facts``) and reads nothing from it.
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> int | None:
        """When the capture stopped or crashed, in ns since the epoch; None while it runs."""
        return self.crashed if self.stopped is None else self.stopped

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, and ``sources``."""
        return {
            name: value
            for name, value in vars(self).items()
            if name == "sources" or value not in (_DEFAULTS[name], {})
        }

    @classmethod
    def from_dict(cls, changes: dict[str, Any]) -> Metadata:
        """Make it from what `to_dict` or `read_changes` returned.

        Parameters
        ----------
        changes
            Fields by name. Unknown ones, and values of the wrong type, are ignored.
        """
        known = valid_changes(changes)
        try:
            check_encoding(known.get("encoding", "utf-8"), known.get("errors", "replace"))
        except ValueError:  # a codec that only the other process had, or damage
            known.pop("encoding", None)
            known.pop("errors", None)
        return cls(**known)

    def to_line(self) -> bytes:
        """Return all of it as one line of a ``.json`` file."""
        return json.dumps(self.to_dict()).encode() + b"\n"


_DEFAULTS = {each.name: each.default for each in fields(Metadata)}


def read_changes(lines: Iterable[str]) -> dict[str, Any]:
    """Read the lines of a ``.json`` file.

    Parameters
    ----------
    lines
        The lines. What is cut, damaged, unknown or of the wrong type is ignored.

    Returns
    -------
    dict
        The fields of `Metadata` that were found, by name. ``sources`` is missing if the first
        line was lost.
    """
    found: dict[str, Any] = {}
    added: dict[int, str] = {}
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            more = json.loads(line)
            if isinstance(more, dict):
                found |= valid_changes(more)
                _note_added(more, len(found.get("sources", ())), added)
    if "sources" in found:
        known = len(found["sources"])
        names = (added.get(i, unnamed(i)) for i in range(known, max(added, default=-1) + 1))
        found["sources"] += tuple(names)
    return found


def _note_added(change: dict[str, Any], known: int, added: dict[int, str]) -> None:
    names: Any = change.get("added_sources")
    first: Any = change.get("first_added")
    if names and _are_names(names) and _is_count(first):
        expected = max(known, next(reversed(added), -1) + 1)
        if first <= expected + MAX_UNNAMED_SOURCES:
            added |= dict(enumerate(names, first))


def added_sources(names: Iterable[str], first: int) -> dict[str, Any]:
    """Return a line's content that adds sources, of which the first has number ``first``."""
    return {"added_sources": list(names), "first_added": first}


def unnamed(number: int) -> str:
    """Return a name for a source whose own was lost."""
    return f"source {number + 1}"


def valid_changes(changes: dict[str, Any]) -> dict[str, Any]:
    """Return those of some fields that are known and have a value of the right type."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in changes.items()
        if name in _IS_VALID and _IS_VALID[name](value)
    }


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_INT


def _is_size(value: Any) -> bool:
    return _is_count(value) and value > 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _are_names(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(map(_is_text, value))


def _are_positions(value: Any) -> bool:
    is_list = isinstance(value, (list, tuple)) and all(map(_is_count, value))
    return is_list and list(value) == sorted(set(value))


def _or_none(is_valid: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or is_valid(value)


_IS_VALID: dict[str, Callable[[Any], bool]] = {
    "sources": _are_names,
    "started": _is_count,
    "stopped": _or_none(_is_count),
    "crashed": _or_none(_is_count),
    "encoding": _is_text,
    "errors": _is_text,
    "max_bytes": _or_none(_is_size),
    "process": _or_none(_is_count),
    "notebook": _or_none(_is_text),
    "cell": _or_none(_is_count),
    "first_line": _or_none(_is_text),
    "name": _or_none(_is_text),
    "failed": _is_flag,
    "interrupted": _is_flag,
    "gaps": _are_positions,
    "dropped_why": _or_none(_is_text),
    "dropped_before": _is_count,
    "dropped_at_gap": _or_none(_is_count),
    "reconstructed": _is_flag,
    "index_lost": _is_flag,
    "facts": lambda value: isinstance(value, dict),
}
