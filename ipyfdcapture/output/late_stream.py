"""Where the threads, tasks and callbacks of a cell write once it has ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from .capture_stream import CaptureStream, HasEnded


class LatePipe(NamedTuple):
    """A pipe into the log of a cell that has ended."""

    write_end: int
    #: Whether the log had been complete: nobody follows it any more.
    is_reopened: bool


class EndedLog(Protocol):
    """The log of a cell that has ended, as those see it who still write."""

    @property
    def is_gone(self) -> bool:
        """Whether nobody keeps it, or it is another process's."""

    @property
    def is_seen(self) -> bool:
        """Whether it is shown where the user looks."""

    def open(self, fd: int, close: Callable[[], object] | None) -> LatePipe:
        """Open a pipe for what is written to descriptor 1 or 2.

        Parameters
        ----------
        fd
            Which of them.
        close
            Closes it: called once nothing else keeps the log from being complete. None: this does
            keep it from that, until the pipe is closed.

        Raises
        ------
        OSError
            If there can be none at present.
        """

    def update(self) -> None:
        """Have all recorded that was written. The log is complete then if nobody else writes."""

    def close_oldest(self) -> None:
        """Have the logs that were opened first complete again, if many are open.

        Not under the lock of a stream: it takes those of others.
        """


class LateStream:
    """Writes to a log after the end of its capture, by a pipe that is opened when it is needed.

    While threads or tasks of the cell run, the pipe stays open, and the log is not complete.
    Whether a timer or a callback will be called, nobody knows; so what these write opens a pipe,
    and whoever looks at the log closes it again.

    Parameters
    ----------
    fd
        The descriptor, 1 or 2.
    stream
        What wrote to the capture's own pipe.
    log
        The log.
    on_gone
        Called once nobody keeps the log.
    """

    def __init__(
        self, fd: int, stream: CaptureStream, log: EndedLog, on_gone: Callable[[], object]
    ) -> None:
        self._fd = fd
        self._stream = stream
        self._log = log
        self._on_gone = on_gone
        self._is_counted = True
        self._is_open = False
        #: Whether nobody shows what is written, though the log was shown: it is to be shown where
        #: the stream object shows it by itself.
        self.is_shown_apart = False

    def open(self) -> bool:
        """See that there is a pipe; tell whether it is new. Raises `HasEnded` if there is none."""
        with self._stream.lock:
            if self._log.is_gone:
                self.close()
                self._on_gone()
                raise HasEnded
            if self._is_open:
                return False
            try:
                pipe = self._log.open(self._fd, None if self._is_counted else self.close)
            except OSError:
                self._on_gone()  # as if nobody kept it: it is shown, at least
                raise HasEnded from None
            self.is_shown_apart = pipe.is_reopened and self._log.is_seen
            self._stream.move_to(pipe.write_end)
            self._is_open = True
            return True

    def rest(self) -> None:
        """No thread and no task of the cell runs any more, or is waited for."""
        with self._stream.lock:
            self._is_counted = False
            self.close()

    def close(self) -> None:
        """Write what waits, and close the pipe; the next write opens another."""
        with self._stream.lock:
            self._is_open = False
            self._stream.end()

    def put(self, text: str, /) -> int:
        """Write text. Raises `HasEnded` if nobody keeps the log."""
        with self._opened():
            return self._stream.put(text)

    def put_bytes(self, data: Any, /) -> int:
        """Write bytes. Raises `HasEnded` if nobody keeps the log."""
        with self._opened():
            return self._stream.put_bytes(data)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[None]:
        with self._stream.lock:
            is_new = self.open()
            yield
        if is_new:
            self._log.close_oldest()

    def flush(self) -> None:
        """Write what waits for the end of its line."""
        with self._stream.lock:
            if self._is_open:
                self._stream.flush()

    def fileno(self) -> int:
        """Return the descriptor that was captured."""
        return self._fd

    def isatty(self) -> bool:
        """Tell whether that is a terminal."""
        return self._stream.isatty()
