"""How much was written: in bytes, and in lines as long as a view reads all of it."""

from __future__ import annotations

from ..log.view.words import counted, size


class Totals:
    """Counts what a view is given, and what is left out before it."""

    def __init__(self) -> None:
        #: All bytes, those that were left out included.
        self.nbytes = 0
        self._lines = 0
        self._has_skipped = False
        self._unfinished: set[int] = set()  # sources whose last line has no end yet

    def add(self, source: int, data: bytes) -> None:
        """Count what a source wrote."""
        self.nbytes += len(data)
        self._lines += data.count(b"\n")
        if data.endswith(b"\n"):
            self._unfinished.discard(source)
        else:
            self._unfinished.add(source)

    def skip(self, count: int) -> None:
        """Count bytes that were not read. How many lines they are is not known from now on."""
        self.nbytes += count
        self._has_skipped = True

    def parts(self) -> list[str]:
        """Return ``["1,234 lines", "5.67 MB"]``; without the lines where they are not known."""
        lines = [] if self._has_skipped else [counted(self._lines + len(self._unfinished), "line")]
        return [*lines, size(self.nbytes)]

    def rows(self, name: str, last: list[str], is_all: bool) -> list[str]:
        """Return what stands for what was too much to show: one line that counts, the last lines.

        Parameters
        ----------
        name
            What messages call the log.
        last
            The last lines.
        is_all
            Whether nothing more will come.
        """
        when = "in all" if is_all else "so far"
        end = ". The last lines:" if last else ""
        return [f"… {self} {when}; the rest is in {name}{end}", *last]

    def __str__(self) -> str:
        return ", ".join(self.parts())
