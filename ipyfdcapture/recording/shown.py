"""Which parts of a recording are shown elsewhere.

What a process kept from an earlier cell writes while a later cell shows its output is shown under
that cell, and not under its own. The drain notes from where to where, for each source, in
``NAME.shown`` beside the recording: *before* it records what comes next. So whoever looks there
after reading knows of all that was read.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections import defaultdict

from ..system.descriptors import open_private, write_once

#: A position, and the number of a source, doubled; plus one where the part begins.
_BORDER = struct.Struct("<QQ")


def note_shown(path: str, source: int, position: int, begins: bool) -> None:
    """Note that what a source writes from ``position`` on is shown elsewhere, or no longer.

    A full disk is no reason to fail: then it is shown twice.
    """
    with contextlib.suppress(OSError):
        fd = open_private(f"{path}.shown", os.O_WRONLY | os.O_APPEND)
        try:
            write_once(fd, _BORDER.pack(position, 2 * source + begins))
        finally:
            os.close(fd)


class ShownElsewhere:
    """Tells which parts of the recording at ``path`` are shown elsewhere."""

    def __init__(self, path: str) -> None:
        self._file = f"{path}.shown"
        self._size = 0
        #: By source: where such parts begin and end, in turn.
        self._borders: dict[int, list[int]] = defaultdict(list)

    def update(self) -> None:
        """Look again. To be called after what `has` is asked about was read."""
        with contextlib.suppress(OSError):
            if os.stat(self._file).st_size == self._size:
                return
            with open(self._file, "rb") as file:
                found = file.read()
            self._size = len(found)
            self._borders.clear()
            whole = found[: len(found) - len(found) % _BORDER.size]
            for position, source in _BORDER.iter_unpack(whole):
                borders = self._borders[source // 2]
                if len(borders) % 2 != source % 2:  # else: noted twice, by two pumps
                    borders.append(position)

    def has(self, source: int, position: int) -> bool:
        """Tell whether what a source wrote there is shown elsewhere."""
        # One for each later cell that ran meanwhile: few. (The helper loads no bisect for it.)
        return sum(border <= position for border in self._borders.get(source, ())) % 2 == 1
