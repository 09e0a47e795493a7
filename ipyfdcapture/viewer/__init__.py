"""The viewer: ten million lines in a browser, searched, filtered and followed.

It shows a `Captured` in a notebook (`widget`) or in a page of its own (`page`). It may import
`log`, `recording` and `system`, and nothing that captures; the package's ``__init__`` installs it
in `log`, which stands below it and cannot import it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..log import viewing

if TYPE_CHECKING:
    from ..log.captured import Captured
    from ..log.reading import Reading
    from ..log.view.summary import Summary
    from .widget import LogView


class _Viewer:
    """Imports what it needs once a log is to be shown: ``%load_ext`` does not pay for it."""

    def explore(
        self, log: Captured, search: str | None, level: str | None, height: int, follow: bool
    ) -> LogView:
        from .widget import LogView

        return LogView(log, search, level, height, follow)

    def page(self, summary: Summary, reading: Reading) -> Iterator[str]:
        from .page import page

        return page(summary, reading)


def install() -> None:
    """Have `Captured.explore` and `Captured.save` use this room."""
    viewing.install(_Viewer())
