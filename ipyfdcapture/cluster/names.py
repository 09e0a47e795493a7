"""What workers are called in a log."""

from __future__ import annotations

from ..recording.sources import without_origin

_STREAMS = ("stdout", "stderr")
#: Longer names are cut in the middle: a label stands before each line that is shown. Names that
#: schedulers and Kubernetes make have up to 63 characters.
_MOST_CHARS = 80


class Names:
    """Gives each worker a label that no other present worker has."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}

    def label(self, member: str, name: str) -> str:
        """Return the label of a worker. One that is restarted has its predecessor's."""
        if member not in self._labels:
            label = first = usable(name)
            number = 2
            while label in self._labels.values():
                label = f"{first}-{number}"
                number += 1
            self._labels[member] = label
        return self._labels[member]

    def release(self, member: str) -> None:
        """A worker is gone: another may have its label."""
        self._labels.pop(member, None)


def usable(name: str) -> str:
    """Return a name as a label: short, printable, and no name of a stream or of a kept process.

    It has no slash. What is behind one is a worker's stream: with a name such as ``worker-1/x``, a
    worker's lines would be found as those of ``worker-1``.
    """
    label = printable(name.strip("/").replace("/", "-"))
    if len(label) > _MOST_CHARS:
        half = _MOST_CHARS // 2
        label = f"{label[:half]}…{label[1 - half :]}"
    is_other = label in _STREAMS or without_origin(f"{label}/") != f"{label}/"
    if not label or is_other:
        label = f"worker {label}".strip()
    return label


def printable(text: str) -> str:
    """Return what somebody else says as text for one line, harmless wherever it is shown."""
    return "".join(c if c.isprintable() else "?" for c in text)
