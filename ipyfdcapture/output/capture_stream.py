"""The text stream that leads what Python writes into a capture's pipe."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable
from typing import Any, cast

from ..system.descriptors import Descriptor, write_once
from ..system.forking import Stage, at_fork, fork_safe_lock
from ..system.living import Living
from .cstdio import flush_stdout, stdout_marks, stdout_pending, waiting
from .foreign import flush_quietly
from .own_streams import in_context
from .write_order import WriteOrder
from .writing import DescriptorWriter, write_completely


class HasEnded(Exception):
    """The capture has ended since the router chose its stream: choose again."""


class CaptureStream(io.TextIOWrapper):
    """A text stream into the pipe of a capture.

    Each line is one write, so that lines of several threads or processes do not mix; text that
    does not end a line waits for the rest of it, or a flush.

    Parameters
    ----------
    fd
        The descriptor that is captured. As long as it leads to the capture, this writes there, and
        so goes where the user has it lead meanwhile.
    pipe
        The write end of the capture's pipe, see `point_to`.
    name, encoding, errors
        As for any text stream.
    order
        The order of the streams of the capture.
    write_elsewhere
        Writes bytes where this thread's belong by now. For those that were on their way here when
        the capture ended.
    """

    #: See `ipyfdcapture.output.late_stream.LateStream`.
    is_shown_apart = False

    def __init__(
        self,
        fd: int,
        pipe: Descriptor,
        name: str,
        encoding: str,
        errors: str,
        order: WriteOrder,
        write_elsewhere: Callable[[Any], object],
    ) -> None:
        # Kept beside ``buffer``, which is gone once somebody detaches it.
        self._writer = PipeWriter(fd, pipe, name, write_elsewhere)
        super().__init__(
            cast(Any, self._writer),
            encoding=encoding,
            errors=errors,
            newline="\n",
            line_buffering=True,
        )
        self.mode = "w"  # type: ignore[misc]
        self._order = order
        #: Writes text to the pipe. Raises `HasEnded`.
        self.put: Callable[[str], int] = make_write(self)[0]

    def put_bytes(self, data: Any, /) -> int:
        """Write bytes to the pipe. Raises `HasEnded`."""
        writer = self._writer
        chunk = data if type(data) is bytes else memoryview(data).tobytes()
        # Text that waits above was written before what waits in C's buffer.
        if not writer.is_partial and writer.marks[0] != writer.marks[1]:
            flush_stdout()
        with writer.lock:
            if writer.pipe is None:
                raise HasEnded
            return writer.write(chunk)

    def _note_partial(self, is_partial: bool) -> None:
        self._writer.is_partial = is_partial
        if is_partial:
            waiting.add(self)
        else:
            waiting.discard(self)

    def flush(self) -> None:
        """Write what waits for the end of its line."""
        writer = self._writer
        with writer.lock:
            if writer.pipe is not None:
                self._flush_text()
                return
        self._flush_text()  # not under the lock: another stream gets it, under its own

    def _flush_text(self) -> None:
        super().flush()
        if self._writer.is_partial:
            self._note_partial(False)

    def flush_partial(self) -> None:
        """Write what waits, if anything does."""
        if self._writer.is_partial:
            flush_quietly(self)

    @property
    def pipe(self) -> int:
        """The capture's own pipe, by its write end; -1 once it has ended."""
        pipe = self._writer.pipe
        return -1 if pipe is None else pipe

    def point_to(self, pipe: Descriptor) -> None:
        """The write end of the pipe, which somebody else closes, is this one from now on."""
        with self._writer.lock:
            self._writer.pipe = pipe

    def write_to_pipe(self, on: bool) -> None:
        """Write to the capture's own pipe, whichever one the descriptor leads to."""
        with self._writer.lock:
            self._writer.is_pinned = on

    @property
    def lock(self) -> threading.RLock:
        """Held while something is on its way to the pipe."""
        return self._writer.lock

    def move_to(self, pipe: int) -> None:
        """The capture has ended, and threads, tasks and callbacks of its cell write, until `end`.

        They write to another pipe, by its write end; takes it over. May follow `end`, too.
        """
        with self._writer.lock:
            self._writer.move_to(pipe)
            if "put" not in self.__dict__:
                self.put = make_write(self)[0]

    def end(self) -> None:
        """Write what waits, and nothing more. Idempotent."""
        writer = self._writer
        with writer.lock:
            if writer.pipe is not None:
                with contextlib.suppress(OSError, ValueError):
                    CaptureStream.flush(self)
                self._note_partial(False)
                writer.close_pipe()
        self.__dict__.pop("put", None)  # which refers to us

    def __getattr__(self, name: str) -> Any:
        if name == "put":  # it has ended
            return _refuse
        raise AttributeError(name)


_NO_MARK = object()  # no context has it


def _nothing() -> None:
    pass


def _refuse(text: str, /) -> int:
    raise HasEnded


def make_write(
    stream: CaptureStream,
    mark: object = None,
    otherwise: Callable[[str], Any] | None = None,
) -> tuple[Callable[[str], Any], Callable[[], None]]:
    """Make `CaptureStream.put`, or what does the same in contexts with ``mark``.

    As a closure: ``print`` calls it for each of its arguments, and to look up attributes of a
    class that has a ``__getattr__``, or one call more, would take half of its time.

    Returns
    -------
    function
        Writes text. In contexts without the mark, and for what is no text, calls ``otherwise``.
    function
        Has the other call ``otherwise`` always, from now on: somebody may keep it.
    """
    writer = stream._writer
    start, end = writer.marks
    order = stream._order
    write_text = super(CaptureStream, stream).write
    mark_here: Callable[[], object] = _nothing if otherwise is None else in_context.get

    def write(text: str, /) -> Any:
        # What is no text is refused in the words of the stream that it is written to.
        if mark_here() is not mark or (type(text) is not str and otherwise is not None):
            return otherwise(text)  # type: ignore[misc]
        if order.last is not stream:
            order.take(stream)
        if start != end and stdout_pending():
            if writer.is_partial:
                stream.flush()
            flush_stdout()
        written = write_text(text)
        if text and writer.is_partial is (text[-1] == "\n"):
            stream._note_partial(text[-1] != "\n")
            if writer.pipe is None:  # it has ended while this thread was on its way here
                stream.flush()
        return written

    def void() -> None:
        nonlocal mark
        mark = _NO_MARK

    return write, void


class PipeWriter(DescriptorWriter):
    """The binary side of a `CaptureStream`."""

    def __init__(
        self, fd: int, pipe: Descriptor, name: str, write_elsewhere: Callable[[Any], object]
    ) -> None:
        super().__init__(fd, name, owned=False)
        self._write_elsewhere = write_elsewhere
        #: The capture's own pipe, by its write end; None once it has ended.
        self.pipe: Descriptor | None = pipe
        #: Whether to write there, and not to the descriptor.
        self.is_pinned = True
        self._is_kept = False
        #: Held while something is on its way: neither descriptor changes hands meanwhile.
        self.lock = fork_safe_lock()
        #: Whether text that does not end a line waits above.
        self.is_partial = False
        self.marks = stdout_marks()

    def write(self, data: Any, /) -> int:
        """Write all of it."""
        size = len(data)
        with self.lock:
            if self.pipe is not None:
                fd = self.pipe if self.is_pinned and self.pipe.is_ours() else self._fd
                try:
                    written = write_once(fd, data)
                except BlockingIOError:  # a child or asyncio made it so
                    written = 0
                if written < size:
                    write_completely(fd, memoryview(data)[written:])
                return size
        self._write_elsewhere(data)
        return size

    def move_to(self, pipe: int) -> None:
        """Go on writing to another pipe, by its write end; takes it over."""
        self.pipe = Descriptor(pipe)
        self._is_kept = self.is_pinned = True
        _kept.add(self)

    def close_pipe(self) -> None:
        """Write nothing here from now on."""
        pipe, self.pipe = self.pipe, None
        if pipe is not None and self._is_kept:
            pipe.close()


#: Those that have a descriptor of their own.
_kept: Living[PipeWriter] = Living()


def _close_kept() -> None:
    """A forked child has none of the threads that write there."""
    for writer in _kept:
        with contextlib.suppress(OSError):
            writer.close_pipe()


at_fork(Stage.STATE, in_child=_close_kept)
