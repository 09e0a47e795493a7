"""The labels that children's output is found by."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from typing import Any

from ...recording.recording import Recording
from ...system.forking import fork_safe_lock
from ...system.living import LivingKeys

NAMES = ("stdout", "stderr")
#: What one argument of a program can be.
WORD = (str, bytes, os.PathLike)

_lock = fork_safe_lock()


class Labels:
    """The labels that a recording has."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._used = {source.rpartition("/")[0] for source in sources}.union(NAMES)
        self._numbers: dict[str, Iterator[int]] = {}

    def take(self, name: str) -> str:
        """Return ``name``, with a number if that is used."""
        with _lock:
            label = name
            while label in self._used:
                label = f"{name}-{next(self._numbers.setdefault(name, itertools.count(2)))}"
            self._used.add(label)
            return label

    def note(self, label: str) -> None:
        """A child has it."""
        self._used.add(label)


def labels_of(recording: Recording) -> Labels:
    """Return the labels that a recording has."""
    with _lock:
        labels = _labels.get(recording)
        if labels is None:
            labels = _labels[recording] = Labels(recording.sources)
        return labels


#: Kept, because to look through thousands of sources for each of thousands of children is slow.
_labels: LivingKeys[Recording, Labels] = LivingKeys()


def program_name(args: Any) -> str:
    """Return the label for a program that was given none."""
    first = args if isinstance(args, WORD) else args[0]
    words = os.fsdecode(first).split() if isinstance(args, (str, bytes)) else [os.fsdecode(first)]
    name = os.path.basename(words[0]) if words else ""
    return name if name and name.isprintable() else "child"


def check_label(label: Any) -> None:
    """Raise `ValueError` if a label cannot name a source."""
    if not isinstance(label, str) or not label.strip("/") or not label.isprintable():
        raise ValueError(f"a label is a printable str that is not empty, not {label!r}")
    if label.split("/")[0] in NAMES:
        raise ValueError(f"label {label!r} means this process's own {label}: take another")
