"""What shows a log beyond this room: the viewer, which stands above it and installs itself here.

Imports run down the list of rooms, so a log cannot import what shows it. `Captured.explore` and
`Captured.save` call what is installed; the package's ``__init__`` installs the room `viewer`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from .reading import Reading
    from .view.summary import Summary

Log_co = TypeVar("Log_co", covariant=True)


class View(Protocol[Log_co]):
    """A log that is shown in the browser."""

    @property
    def selected(self) -> Log_co:
        """The lines that are marked in the browser."""

    def goto(self, number: int) -> None:
        """Show a line by its number, counted from 1."""

    def close(self) -> None:
        """End the view; the static view stands again."""


class Viewer(Protocol):
    """What makes views, and pages."""

    def explore(
        self, log: Any, search: str | None, level: str | None, height: int, follow: bool
    ) -> View[Any]:
        """Return a view of a log."""

    def page(self, summary: Summary, reading: Reading) -> Iterator[str]:
        """Yield a page that searches and filters by itself."""


class _Installed:
    viewer: Viewer | None = None


def install(viewer: Viewer) -> None:
    """Have logs shown by ``viewer``."""
    _Installed.viewer = viewer


def installed() -> Viewer:
    """Return what was installed."""
    if _Installed.viewer is None:
        raise RuntimeError("import ipyfdcapture first: it installs the viewer")
    return _Installed.viewer
