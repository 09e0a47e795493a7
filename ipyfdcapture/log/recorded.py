"""The lines of a recording, or some of them, read on demand: their text, and facts about them."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..system.interrupts import loading
from .moments import local_time

if TYPE_CHECKING:  # see `.captured`
    from ..recording.recording import Recording, Snapshot
    from .line import Line
    from .lines import LineIndex, Lines
    from .reading import Reading


class RecordedLines:
    """Lines of a recording: all, including those yet to come, or a selection of them.

    Parameters
    ----------
    recording
        Where the bytes are.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._index: LineIndex | None = None  # made when it is first read
        self._selection: Sequence[int] | None = None  # None: all, including what is yet to come
        self._pinned: Snapshot | None = None

    # -- text -----------------------------------------------------------------------------------

    @property
    def stdout(self) -> str:
        r"""What was written to stdout, decoded. With ``merge``, what was written to either.

        Examples
        --------
        >>> logs.grep("iteration").stdout
        'iteration 1: loss 0.5\niteration 2: loss 0.25\n'
        """
        from .narrowing import STDOUT, sources_of_stream

        reading = self._read()
        return "".join(reading.text_parts(sources_of_stream(reading, STDOUT)))

    @property
    def stderr(self) -> str:
        r"""What was written to stderr, decoded.

        Examples
        --------
        >>> logs.stderr
        'warning: small step\n'
        """
        from .narrowing import sources_of_stream

        reading = self._read()
        return "".join(reading.text_parts(sources_of_stream(reading, ("stderr",))))

    @property
    def text(self) -> str:
        r"""What was written by all sources, decoded, in order of arrival.

        In a narrower view: its lines, each with its line end.

        Examples
        --------
        >>> logs.tail(2).text
        '12 cells\ndone\n'
        """
        return "".join(self._read().text_parts())

    @property
    def plain(self) -> str:
        r"""The lines as they are seen on a terminal: what `Captured.grep` looks for text in.

        Escape sequences are gone, backspaces are obeyed, and of a progress bar there is what was
        left of it at the end of its line. Each line ends with ``\n``, but a last one that has no
        end.

        Examples
        --------
        >>> logs.tail(2).plain
        '12 cells\ndone\n'
        """
        return "".join(self._read().plain_parts())

    @property
    def raw(self) -> bytes:
        r"""The bytes that `text` is decoded from.

        Examples
        --------
        >>> logs.tail(2).raw
        b'12 cells\ndone\n'
        """
        if self._selection is None:
            return bytes(self._snapshot().data[:])
        return b"".join(self._read().raw_lines())

    # -- lines ----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._read().indices)

    def __iter__(self) -> Iterator[Line]:
        reading = self._read()
        return reading.make_lines(reading.indices)

    def __reversed__(self) -> Iterator[Line]:
        reading = self._read()
        return reading.make_lines(reading.indices[::-1])

    def __contains__(self, text: object) -> bool:
        """Tell whether text occurs in the log as it is seen, or bytes in what was written."""
        from .finding import find
        from .search import compile_search
        from .seen import is_special

        if isinstance(text, str) and "\n" in text:
            return text in (self.text if is_special(text) else self.plain)
        if isinstance(text, bytes) and b"\n" in text:
            return text in self.raw
        if not isinstance(text, str | bytes):
            raise TypeError(f"what is in a log is str or bytes, not {text!r}")
        reading = self._read()
        search = compile_search(text, False, reading.encoding, reading.errors)
        return any(map(len, find(reading.lines, reading.indices, search)))

    # -- facts ----------------------------------------------------------------------------------

    @property
    def facts(self) -> dict[str, Any]:
        """What was given as ``capture_fd(facts=...)``: a copy.

        In a log that a crash left, it is as JSON keeps it: tuples are lists, keys are text.

        Examples
        --------
        >>> logs.facts
        {}
        """
        return copy.deepcopy(self.recording.metadata.facts)

    @property
    def started(self) -> datetime.datetime:
        """When the capture started, in local time.

        Examples
        --------
        >>> logs.started == logs[0].time
        True
        """
        return local_time(self.recording.metadata.started)

    @property
    def duration(self) -> float:
        """How long the capture ran, in seconds; while it runs, how long so far.

        What a child writes after the end is in the log, but not in this time.

        Examples
        --------
        >>> logs.duration
        6.0
        """
        from .timing import duration

        return duration(self.recording.metadata.started, self._ended)

    @property
    def nbytes(self) -> int:
        """The length of `raw`, in bytes.

        Examples
        --------
        >>> logs.nbytes
        90
        """
        if self._selection is None:
            return self.recording.nbytes()
        return sum(map(len, self._read().raw_lines()))

    @property
    def dropped(self) -> int:
        """How many bytes of the log were not kept: because of ``max_bytes``, or of a full disk.

        Examples
        --------
        >>> logs.dropped
        0
        """
        self.recording.update()
        return self.recording.dropped

    @property
    def complete(self) -> bool:
        """Whether nothing more can come: False while the capture runs or a child still writes.

        Examples
        --------
        >>> logs.complete
        True
        """
        recording = self.recording
        is_over = recording.is_complete or not recording.update().writing
        return is_over and self._ended is not None

    @property
    def is_whole(self) -> bool:
        """Whether it is a log itself, not a narrower view of one.

        Examples
        --------
        >>> logs.is_whole, logs.head().is_whole
        (True, False)
        """
        return self._selection is None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all writers, children that live on included, are gone.

        Parameters
        ----------
        timeout
            How long at most, in seconds; None: as long as it takes.

        Returns
        -------
        bool
            Whether they are gone.

        Examples
        --------
        >>> logs.wait(timeout=5)
        True
        """
        return self.recording.wait(timeout)

    def close(self) -> None:
        """Delete the recording, for this view and all others of it.

        It is deleted anyway when the last view is forgotten, and when the process ends.

        Examples
        --------
        >>> logs.close()
        >>> logs
        <Captured: closed>
        """
        self.recording.close()

    # -- reading --------------------------------------------------------------------------------

    @property
    def _ended(self) -> int | None:
        """When the capture stopped or crashed (ns since the epoch); None while it runs."""
        return self.recording.metadata.ended

    def _snapshot(self) -> Snapshot:
        return self._pinned if self._pinned is not None else self.recording.snapshot()

    def _read(self) -> Reading:
        with loading(__package__, "reading"):
            from .reading import Reading

        lines = self._lines()
        whole = self._selection is None
        indices = range(len(lines)) if self._selection is None else self._selection
        known = self.recording.metadata
        return Reading(
            lines, indices, known.encoding, known.errors, whole, known.started, known.ended
        )

    def _lines(self) -> Lines:
        with loading(__package__, "lines"):
            from .lines import LineIndex, Lines

        if self._index is None:
            self._index = LineIndex()
        if self._pinned is not None:
            return Lines(self._pinned, self._index)
        # Over the limit, what follows the gap moves on with everything written.
        limited = self.recording.metadata.max_bytes is not None
        moves = limited and self.recording.writing is not None
        return Lines(self.recording.snapshot(), LineIndex() if moves else self._index)
