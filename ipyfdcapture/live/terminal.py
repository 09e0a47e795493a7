"""Writing where the captured descriptors led before the capture: as a rule, a terminal."""

from __future__ import annotations

import errno
import os
import unicodedata
from collections.abc import Callable

from ..log.view.ansi import Run, plain, runs_of, to_terminal
from ..log.view.words import size
from ..recording.recording import Recording
from ..recording.sources import is_stderr, label_of
from ..recording.tail_reader import Chunk, by_source
from ..system.descriptors import Descriptor, write_once
from ..system.polling import wait_until_writable

#: Where a tab leads to: the next multiple of it.
_TAB_COLUMNS = 8


class TerminalStream:
    """Writes the output unchanged, each stream to its own descriptor.

    It owns the descriptors. None stands for one that was closed.
    """

    is_seen = True
    tail_bytes: int | None = None

    def __init__(self, stdout: int | None, stderr: int | None) -> None:
        self._stdout = None if stdout is None else Descriptor(stdout)
        self._stderr = None if stderr is None else Descriptor(stderr)
        self.error: BaseException | None = None
        self.should_continue: Callable[[], bool]

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        self._recording = recording
        self._at_line_start: dict[str, bool] = {}

    def show(self, chunks: list[Chunk]) -> None:
        """See `Target`."""
        # As few writes as can be: a writer that lets go of the GIL may have to wait for each.
        for number, data in by_source(chunks):
            source = self._recording.sources[number]
            label = label_of(source)
            fd = self._stderr if is_stderr(source) else self._stdout
            if fd is not None:
                write_all(fd, self._labelled(data, source, label) if label else data)

    def _labelled(self, data: bytes, source: str, label: str) -> bytes:
        mark = f"[{label}] ".encode()
        start = mark if self._at_line_start.get(source, True) else b""
        ends_line = data.endswith(b"\n")
        self._at_line_start[source] = ends_line
        body = data[:-1] if ends_line else data
        return start + body.replace(b"\n", b"\n" + mark) + (b"\n" if ends_line else b"")

    def skip(self, count: int) -> None:
        """See `Target`."""
        fd = self._stdout if self._stderr is None else self._stderr
        if fd is not None:
            write_all(fd, f"\n… {size(count)} that max_bytes has dropped …\n".encode())
        self._at_line_start.clear()

    def tick(self) -> None:
        """See `Target`."""

    def catch_up(self) -> None:
        """See `Target`."""

    def cleared(self) -> None:
        """See `Target`."""

    def capture_ended(self) -> None:
        """See `Target`."""

    def close(self) -> None:
        """See `Target`."""
        for fd in (self._stdout, self._stderr):
            if fd is not None:
                fd.close()


class TerminalScreen:
    """Redraws lines in place on a terminal. Anything else gets the final lines only.

    It owns the descriptor.
    """

    def __init__(self, fd: int) -> None:
        self._fd = Descriptor(fd)
        self._is_terminal = self._can_redraw = os.isatty(fd)
        self._drawn = 0

    def draw(self, lines: list[str], final: bool) -> None:
        """Draw over what was drawn before."""
        if not self._can_redraw and not final:
            return
        if self._can_redraw:
            # A line that wraps, or one that has left the screen, could not be drawn over.
            columns, rows = _size_of(self._fd)
            lines = [_fitting(line, columns - 1) for line in lines[1 - rows :]]
        elif not self._is_terminal:
            lines = list(map(plain, lines))
        back = f"\x1b[{self._drawn}F\x1b[J" if self._drawn else ""
        text = "".join(line + "\n" for line in lines)
        write_all(self._fd, (back + text).encode("utf-8", "replace"))
        self._drawn = len(lines)
        if final:
            # From now on other things are shown below it: it stays.
            self._can_redraw, self._drawn = False, 0

    def give_way(self) -> None:
        """Erase the lines: other output is about to follow, and must not be drawn over."""
        if self._drawn:
            write_all(self._fd, f"\x1b[{self._drawn}F\x1b[J".encode())
            self._drawn = 0

    def cleared(self) -> None:
        """IPython clears one line alone."""

    def close(self) -> None:
        """See `Screen`."""
        self._fd.close()


def _size_of(terminal: int) -> tuple[int, int]:
    """Return how many columns and rows a terminal has; the usual if it does not know."""
    columns, rows = os.get_terminal_size(terminal)
    return columns or 80, rows or 24


def _fitting(line: str, columns: int) -> str:
    """Return as much of a line as fits in so many columns, with its colours and without tabs."""
    fitting: list[Run] = []
    at = 0
    for text, style in runs_of(line)[0]:
        shown = ""
        for character in text:
            spaces = _TAB_COLUMNS - at % _TAB_COLUMNS
            at += spaces if character == "\t" else _columns_of(character)
            if at > columns:
                return to_terminal([*fitting, (shown, style)])
            shown += " " * spaces if character == "\t" else character
        fitting.append((shown, style))
    return to_terminal(fitting)


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def write_all(fd: Descriptor, data: bytes) -> None:
    """Write everything, however many writes it takes."""
    if not fd.is_ours():
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    view = memoryview(data)
    while view:
        try:
            view = view[write_once(fd, view) :]
        except BlockingIOError:  # terminals are shared, and others make them so
            wait_until_writable(fd)
