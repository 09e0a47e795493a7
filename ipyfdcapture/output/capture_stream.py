"""The text stream that Python writes to while a descriptor is captured."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from threading import get_ident
from typing import Any, cast

from ..system.polling import wait_until_writable
from . import cstdio
from .cstdio import flush_stdout, stdout_marks
from .foreign import flush_quietly
from .outside import marked, writing_for_others
from .write_order import WriteOrder
from .writing import DescriptorWriter, write_once


class CaptureStream(io.TextIOWrapper):
    """A text stream on a descriptor. Each line is one write, so that lines of several threads or
    processes do not mix; text that does not end a line waits for the rest of it, or a flush."""

    def __init__(
        self,
        fd: int,
        name: str,
        encoding: str,
        errors: str,
        *,
        owned: bool = False,
        original: Any = None,
    ) -> None:
        # Kept beside ``buffer``, which is gone once somebody detaches it.
        self._writer = _CaptureWriter(fd, name, owned)
        super().__init__(
            cast(Any, self._writer),
            encoding=encoding,
            errors=errors,
            newline="\n",
            line_buffering=True,
        )
        self.mode = "w"  # type: ignore[misc]
        self._original = original

    def write(self, text: str, /) -> int:
        """Write text, after what native code has printed so far."""
        return _make_write(self, WriteOrder())(text)

    def _note_partial(self, is_partial: bool) -> None:
        self._writer.is_partial = is_partial
        (cstdio.waiting.add if is_partial else cstdio.waiting.discard)(self)

    def flush(self) -> None:
        """Write what waits for the end of its line."""
        if marked:
            with writing_for_others():
                super().flush()
        else:
            super().flush()
        if self._writer.is_partial:
            self._note_partial(False)

    def flush_partial(self) -> None:
        """Write what waits, if anything does."""
        if self._writer.is_partial:
            flush_quietly(self)

    @property
    def pipe(self) -> int:
        """The capture's own pipe, by its write end; -1 if it has none."""
        return self._writer.pipe

    def set_outside(self, outside: Callable[[int], Any]) -> None:
        """Say where output goes that must not be captured, see `..output.outside`.

        ``outside`` returns a stream for the serial number of a capture, None if it is captured.
        """
        self._writer.outside = outside

    def write_to_pipe(self, on: bool) -> None:
        """Write to this capture's own pipe, whichever one the descriptor leads to."""
        self._writer.to_pipe = on and self._writer.pipe >= 0

    def join_order(self, order: WriteOrder, pipe: int) -> None:
        """Write to a pipe by its write end, in order with the other streams of ``order``."""
        self._writer.pipe = pipe
        self._writer.ended = False
        self.__dict__["write"] = _make_write(self, order)

    def leave_capture(self, fd: int) -> None:
        """The capture is over: write where descriptor ``fd`` leads."""
        self._writer.lead_to(fd)
        self._writer.pipe = -1
        self._writer.to_pipe = False
        self._writer.ended = True
        self.__dict__.pop("write", None)  # which refers to us
        # What other threads were just writing. Twice: they may do so while we flush.
        for _ in range(2):
            with contextlib.suppress(OSError, ValueError):
                CaptureStream.flush(self)

    def __getattr__(self, name: str) -> Any:
        # What the object in whose place this is has beyond a text stream: ipykernel, for one,
        # tells its streams which cell they belong to.
        if name == "_original" or self._original is None:
            raise AttributeError(name)
        return getattr(self._original, name)


def _make_write(stream: CaptureStream, order: WriteOrder) -> Callable[[str], int]:
    """Return ``stream.write``.

    As a closure: ``print`` calls it for each of its arguments, and to look up attributes of a
    class that has a ``__getattr__`` would take half of its time.
    """
    writer = stream._writer
    marks = writer.marks
    write_text = super(CaptureStream, stream).write

    def write(text: str, /) -> int:
        # Not through the buffer: what others left there is captured.
        if marked and get_ident() in marked and writer.wrote_outside(text):
            return len(text)
        if order.last is not stream:
            order.take(stream)
        if marks[0] != marks[1]:
            if writer.is_partial:
                stream.flush()
            flush_stdout()
        written = write_text(text)
        if text and writer.is_partial is (text[-1] == "\n"):
            stream._note_partial(not writer.is_partial)
            if writer.ended:  # while this thread was on its way here
                CaptureStream.flush(stream)
        return written

    return write


class _CaptureWriter(DescriptorWriter):
    """The binary side of a stream that is captured."""

    def __init__(self, fd: int, name: str, owned: bool) -> None:
        super().__init__(fd, name, owned)
        #: Whether text that does not end a line waits above.
        self.is_partial = False
        #: Whether the capture is over, after which nobody flushes what waits.
        self.ended = False
        #: The capture's own pipe, by its write end, and whether to write there.
        self.pipe = -1
        self.to_pipe = False
        self.outside: Callable[[int], Any] = nowhere
        self.marks = stdout_marks()

    def write(self, data: Any, /) -> int:
        # What waits in C's buffer was written before this; but text that waited here was
        # written before that.
        if not self.is_partial and self.marks[0] != self.marks[1]:
            flush_stdout()
        if marked and self.wrote_outside(data):
            return len(data)
        written = 0
        size = len(data)
        while written < size:
            fd = self.pipe if self.to_pipe else self._fd
            try:
                written += write_once(fd, memoryview(data)[written:] if written else data)
            except BlockingIOError:  # a child or asyncio made it so, and nobody would try again
                wait_until_writable(fd)
            except OSError:
                if fd == self._fd:
                    raise
                # Closed at the end of the capture, while this thread was on its way, or by a fork.
                if fd == self.pipe:
                    self.to_pipe = False
        return size

    def wrote_outside(self, data: Any) -> bool:
        """Write past captures if this thread is marked to; tell whether it is."""
        serial = marked.get(get_ident())
        stream = None if serial is None else self.outside(serial)
        if stream is None:
            return False
        stream.write(data if isinstance(data, str) else bytes(data).decode("utf-8", "replace"))
        flush_quietly(stream)
        return True


def nowhere(serial: int) -> None:
    """Return no stream."""
