"""Targets that take the output as it comes: functions, streams, loggers, files."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable
from typing import IO, Any

from ..log.levels import level_of
from ..log.line import Line
from ..recording.recording import Recording
from ..recording.sources import is_stderr
from ..recording.tail_reader import Chunk
from ..system.descriptors import Descriptor
from .terminal import write_all
from .text import LineAssembler, SourceTexts


class _Immediate:
    """A target that uses what it gets at once."""

    is_seen = False
    tail_bytes: int | None = None
    error: BaseException | None = None
    should_continue: Callable[[], bool]

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        self.recording = recording

    def skip(self, count: int) -> None:
        """See `Target`."""

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


class LineTarget(_Immediate):
    """Calls a function for each `Line`, and at the end for a last one without a line end.

    If the function raises, the next line comes all the same; the first error is reported.
    """

    def __init__(self, on_line: Callable[[Line], object]) -> None:
        self._on_line = on_line

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        super().open(recording)
        self._lines = LineAssembler(recording)

    def show(self, chunks: list[Chunk]) -> None:
        """See `Target`."""
        for chunk in chunks:
            self._call(self._lines.take(chunk))

    def capture_ended(self) -> None:
        """See `Target`."""
        self._call(self._lines.finish())

    def close(self) -> None:
        """See `Target`."""
        self._call(self._lines.finish())

    def _call(self, lines: list[Line]) -> None:
        for line in lines:
            if not self.should_continue():
                return
            try:
                self._on_line(line)
            except Exception as error:
                self.error = self.error or error


class StreamTarget(_Immediate):
    """Writes to a text or binary stream, and flushes it at the end. It stays open."""

    def __init__(self, stream: IO[Any]) -> None:
        self._stream = stream
        self._is_text = isinstance(stream, io.TextIOBase) or not _takes_bytes(stream)
        self._has_news = False

    def open(self, recording: Recording) -> None:
        """See `Target`."""
        super().open(recording)
        self._texts = SourceTexts(recording)

    def show(self, chunks: list[Chunk]) -> None:
        """See `Target`."""
        self._has_news = True
        for chunk in chunks:
            text = self._texts.take(chunk.source, chunk.data) if self._is_text else chunk.data
            self._stream.write(text)

    def catch_up(self) -> None:
        """See `Target`."""
        flush = getattr(self._stream, "flush", None)
        if flush is not None:
            flush()

    def capture_ended(self) -> None:
        """See `Target`."""
        for rest in self._texts.finish().values():
            self._stream.write(rest)
        self.catch_up()
        self._has_news = False

    def close(self) -> None:
        """See `Target`. Without late output, whoever gave the stream may have closed it by now."""
        if self._has_news:
            self.capture_ended()


def _takes_bytes(stream: Any) -> bool:
    mode = getattr(stream, "mode", "")
    if isinstance(stream, (io.RawIOBase, io.BufferedIOBase)) or (
        isinstance(mode, str) and "b" in mode
    ):
        return True
    try:
        stream.write("")
    except TypeError:
        return True
    except Exception:  # it fails again when there is something to show, and that is told
        return False
    return False


_LOGGING_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


class LoggerTarget(LineTarget):
    """Logs each line, with ``extra={"source": ...}``.

    Parameters
    ----------
    logger
        Where to.
    levels
        Whether a line that says its level in a known format has that.
    level
        The level of all others. None: INFO from stdout, WARNING from stderr.
    """

    def __init__(
        self, logger: logging.Logger, levels: bool = False, level: int | None = None
    ) -> None:
        self._logger = logger
        self._levels = levels
        self._level = level
        super().__init__(self._log)

    def _log(self, line: Line) -> None:
        level = self._level
        if level is None:
            level = logging.WARNING if is_stderr(line.source) else logging.INFO
        said = level_of(line.encode("utf-8", "replace")) if self._levels else None
        if said is not None:
            level = _LOGGING_LEVELS[said]
        self._logger.log(level, "%s", str(line), extra={"source": line.source})


class FileTarget(_Immediate):
    """Appends the bytes to a file, opened (made, if need be) at once.

    Raises `OSError` if that cannot be done.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        # A named pipe that nobody reads is an error, and nothing to wait for.
        self._fd = Descriptor(os.open(path, flags | os.O_NONBLOCK, 0o666))
        os.set_blocking(self._fd, True)

    def show(self, chunks: list[Chunk]) -> None:
        """See `Target`."""
        for chunk in chunks:
            write_all(self._fd, chunk.data)

    def close(self) -> None:
        """See `Target`."""
        self._fd.close()
