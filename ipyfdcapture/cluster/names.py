"""What workers are called in a log."""

from __future__ import annotations

from ..recording.sources import without_origin

_STREAMS = ("stdout", "stderr")


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
    """Return a name as a label: printable, and no name of a stream or of a kept process."""
    label = "".join(c if c.isprintable() else "?" for c in name).strip("/")
    is_other = label.split("/")[0] in _STREAMS or without_origin(f"{label}/") != f"{label}/"
    if not label.strip("/") or is_other:
        label = f"worker {label}".strip()
    return label
