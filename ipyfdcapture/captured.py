"""What was captured: the object that the user holds, a log read by line, source and time.

Nothing is read or decoded before it is asked for, and a narrower view holds no more than the
numbers of its lines.
"""

from __future__ import annotations

import datetime
import itertools
import sys
import time
from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from .decoding import decode, is_wide, transcode
from .lines import LineIndex, Lines, Row, content, joined
from .recording import Recording, Snapshot
from .search import Pattern, compile_search, find, with_context

if TYPE_CHECKING:
    from IPython.utils.capture import RichOutput

#: A moment: a datetime (naive: local time), or the time since the start: a timedelta, or seconds.
Moment = datetime.datetime | datetime.timedelta | float

_EPOCH = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
#: Source names whose text is ``stdout``, and ``stderr``. What both wrote to one pipe counts as
#: stdout: a program that has no second stream to write to behaves the same.
_STDOUT = ("stdout", "stdout+stderr")
_STDERR = ("stderr",)


class Line(str):
    r"""One line: its text, without the line end (``\n`` or ``\r\n``), and what is known of it.

    Attributes
    ----------
    source
        The name of the source that wrote it: ``stdout``, ``stderr``, ``solver/stderr``, ...
    number
        Its number in the whole log, counted from 1, as editors do: ``logs[line.number - 1]`` is
        the same line, and narrowing does not change it.
    time_ns
        When its first byte was recorded: nanoseconds since the epoch. What was written within
        half a millisecond may share one time.
    """

    __slots__ = ("number", "source", "time_ns")

    source: str
    number: int
    time_ns: int

    def __new__(cls, text: str, source: str, number: int, time_ns: int) -> Line:
        line = super().__new__(cls, text)
        line.source = source
        line.number = number
        line.time_ns = time_ns
        return line

    def __getnewargs__(self) -> tuple[str, str, int, int]:  # type: ignore[override]
        return str(self), self.source, self.number, self.time_ns

    @property
    def time(self) -> datetime.datetime:
        """When its first byte was recorded, in local time, to the microsecond."""
        return _datetime(self.time_ns)


class Captured:
    """A captured log, or a narrower view of one.

    It is a sequence of `Line`. It may be read while it still grows; a narrower view (`head`,
    `tail`, `grep`, `source`, `between`, a slice) is of the lines that were there when it was
    made, and is itself a `Captured`.

    Parameters
    ----------
    recording
        Where the bytes are.
    outputs
        The rich displays that were captured: keyword arguments of IPython's `RichOutput`.
    """

    __hash__ = None  # type: ignore[assignment]  # equal by content, and the content may grow

    def __init__(self, recording: Recording, outputs: list[dict[str, Any]] | None = None) -> None:
        self.recording = recording
        self._outputs = outputs if outputs is not None else []
        self._index = LineIndex()
        self._selection: Sequence[int] | None = None  # None: all, including what is yet to come
        self._pinned: Snapshot | None = None

    # -- text -----------------------------------------------------------------------------------

    @property
    def stdout(self) -> str:
        """What was written to stdout, decoded. With ``merge``, what was written to either."""
        return self._decoded(_STDOUT)

    @property
    def stderr(self) -> str:
        """What was written to stderr, decoded."""
        return self._decoded(_STDERR)

    @property
    def text(self) -> str:
        """What was written by all sources, decoded, in order of arrival.

        In a narrower view: its lines, each with its line end.
        """
        return self._decoded(None)

    @property
    def raw(self) -> bytes:
        """The bytes that `text` is decoded from."""
        if self._selection is None:
            return bytes(self._snapshot().data)
        return b"".join(self._raw_lines())

    @property
    def outputs(self) -> list[RichOutput]:
        """The rich displays that were captured, as IPython's `RichOutput`."""
        if not self._outputs:
            return []
        from IPython.utils.capture import RichOutput

        return [RichOutput(**output) for output in self._outputs]

    def _decoded(self, names: tuple[str, ...] | None) -> str:
        lines = self._lines()
        wanted = None if names is None else _numbers(lines, names)
        encoding, errors = self._codec
        if self._selection is None:
            return "".join(decode(lines, encoding, errors, wanted))
        parts = self._raw_lines(wanted)
        return "".join(part.decode(encoding, errors) for part in parts)

    def _raw_lines(self, wanted: set[int] | None = None) -> Iterator[bytes]:
        """Yield the lines of a view; only the last may lack a line end."""
        previous = b""
        for row in self._rows():
            if wanted is None or row.source in wanted:
                if previous and not previous.endswith(b"\n"):
                    yield b"\n"
                previous = row.raw
                yield row.raw

    # -- lines ----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._indices(self._lines()))

    def __iter__(self) -> Iterator[Line]:
        lines = self._lines()
        return self._make_lines(lines, self._indices(lines))

    def __reversed__(self) -> Iterator[Line]:
        lines = self._lines()
        return self._make_lines(lines, self._indices(lines)[::-1])

    @overload
    def __getitem__(self, key: int) -> Line: ...

    @overload
    def __getitem__(self, key: slice) -> Captured: ...

    def __getitem__(self, key: int | slice) -> Line | Captured:
        lines = self._lines()
        selected = self._indices(lines)[key]
        if isinstance(selected, int):
            return next(self._make_lines(lines, (selected,)))
        return self._narrowed(selected, lines)

    def __contains__(self, text: object) -> bool:
        """Tell whether ``text`` (str or bytes) occurs anywhere in the log."""
        if isinstance(text, str) and "\n" in text:
            return text in self.text
        if isinstance(text, bytes) and b"\n" in text:
            return text in self.raw
        if not isinstance(text, str | bytes):
            raise TypeError(f"what is in a log is str or bytes, not {text!r}")
        lines = self._lines()
        search = compile_search(text, False, *self._codec)
        return any(len(found) for found in find(lines, self._indices(lines), search))

    def _make_lines(self, lines: Lines, indices: Sequence[int]) -> Iterator[Line]:
        sources = lines.snapshot.sources
        encoding, errors = self._codec
        for row in lines.read(indices):
            text = content(row.raw).decode(encoding, errors)
            yield Line(text, sources[row.source], row.nth + 1, row.time)

    def _rows(self) -> Iterator[Row]:
        lines = self._lines()
        return lines.read(self._indices(lines))

    # -- narrowing ------------------------------------------------------------------------------

    def head(self, n: int = 10) -> Captured:
        """Return the first ``n`` lines."""
        return self[: _count(n)]

    def tail(self, n: int = 10) -> Captured:
        """Return the last ``n`` lines."""
        lines = self._lines()
        indices = self._indices(lines)
        return self._narrowed(indices[max(0, len(indices) - _count(n)) :], lines)

    def grep(
        self,
        pattern: Pattern,
        ignore_case: bool = False,
        source: str | None = None,
        context: int = 0,
    ) -> Captured:
        """Return the lines that match.

        Parameters
        ----------
        pattern
            Text or bytes to find as they are, or a compiled regular expression to search each
            line with: ``grep("f(x)")``, ``grep(re.compile("error|warning"))``.
        ignore_case
            Take upper and lower case as the same.
        source
            Only lines of this source match (as in `source`).
        context
            Also return up to this many lines before and after each match, of any source.
        """
        lines = self._lines()
        indices = self._indices(lines)
        search = compile_search(pattern, ignore_case, *self._codec)
        wanted = None if source is None else self._matching_sources(lines, source)
        positions = find(lines, indices, search, wanted)
        return self._at(with_context(positions, _count(context), len(indices)), indices, lines)

    def source(self, name: str) -> Captured:
        """Return the lines of one source.

        Parameters
        ----------
        name
            ``stdout``, ``stderr``, ``solver/stderr``, ...; the label ``solver`` stands for all
            of its sources.

        Raises
        ------
        ValueError
            if the log has no such source.
        """
        lines = self._lines()
        wanted = self._matching_sources(lines, name)
        if self._selection is None:
            return self._narrowed(joined(lines.ranges_by_source(wanted)), lines)
        rows = lines.read(self._selection)
        positions = ((i,) for i, row in enumerate(rows) if row.source in wanted)
        return self._at(with_context(positions, 0, 0), self._selection, lines)

    def between(self, start: Moment | None = None, end: Moment | None = None) -> Captured:
        """Return the lines that were recorded in a stretch of time, both ends included.

        Parameters
        ----------
        start, end
            Moments: a datetime (naive: local time), or the time since the start of the capture,
            as a timedelta or in seconds. None: from the first, to the last.
        """
        first = self._microseconds(start, 0)
        last = self._microseconds(end, 1 << 63)
        lines = self._lines()
        if self._selection is None:
            return self._narrowed(joined(_ranges_between(lines, first, last)), lines)
        rows = lines.read(self._selection)
        positions = ((i,) for i, row in enumerate(rows) if first <= row.time // 1000 <= last)
        return self._at(with_context(positions, 0, 0), self._selection, lines)

    def _at(self, positions: Sequence[int], indices: Sequence[int], lines: Lines) -> Captured:
        """Return the view of the lines at some positions of ``indices``."""
        if isinstance(positions, range):
            return self._narrowed(indices[positions.start : positions.stop], lines)
        if indices == range(len(indices)):
            return self._narrowed(positions, lines)
        return self._narrowed(array("I", map(indices.__getitem__, positions)), lines)

    def _narrowed(self, selection: Sequence[int], lines: Lines) -> Captured:
        view = Captured(self.recording, self._outputs)
        view._selection = selection
        view._index = lines.index
        view._pinned = self._pinned
        if lines.index is not self._index:  # numbers of lines that may be gone the next time
            view._pinned = lines.snapshot
        return view

    def _indices(self, lines: Lines) -> Sequence[int]:
        return range(len(lines)) if self._selection is None else self._selection

    def _matching_sources(self, lines: Lines, name: str) -> set[int]:
        if not isinstance(name, str):
            raise TypeError(f"a source is named by a str, not {name!r}")
        names = _STDOUT if name == "stdout" else (name,)
        known = lines.snapshot.sources
        found = {
            number
            for number, source in enumerate(known)
            if source in names or source.startswith(f"{name}/")
        }
        if not found and name not in ("stdout", "stderr"):
            raise ValueError(f"no source {name!r} in this log; it has {', '.join(known)}")
        return found

    def _microseconds(self, moment: Moment | None, default: int) -> int:
        if moment is None:
            return default
        if isinstance(moment, int | float):
            moment = datetime.timedelta(seconds=moment)
        if isinstance(moment, datetime.timedelta):
            moment = self.started + moment
        if not isinstance(moment, datetime.datetime):
            raise TypeError(
                f"a moment is a datetime, a timedelta or seconds since the start, not {moment!r}"
            )
        return (moment.astimezone() - _EPOCH) // datetime.timedelta(microseconds=1)

    # -- facts ----------------------------------------------------------------------------------

    @property
    def started(self) -> datetime.datetime:
        """When the capture started, in local time."""
        return _datetime(self.recording.facts["started"])

    @property
    def duration(self) -> float:
        """How long the capture ran, in seconds; while it runs, how long so far.

        What a child writes after the end is in the log, but not in this time.
        """
        facts = self.recording.facts
        stopped = facts.get("stopped", facts.get("crashed")) or time.time_ns()
        return max(0.0, (stopped - facts["started"]) / 1e9)

    @property
    def nbytes(self) -> int:
        """The length of `raw`, in bytes."""
        if self._selection is None:
            return len(self._snapshot().data)
        return sum(map(len, self._raw_lines()))

    @property
    def dropped(self) -> int:
        """How many bytes of the log were not kept: because of ``max_bytes``, or of a full disk."""
        self.recording.update()
        return self.recording.dropped

    @property
    def complete(self) -> bool:
        """Whether nothing more can come: False while the capture runs or a child still writes."""
        facts = self.recording.facts
        ended = "stopped" in facts or "crashed" in facts
        return not self.recording.update().writing and ended

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
        """
        return self.recording.wait(timeout)

    def close(self) -> None:
        """Delete the recording, for this view and all others of it.

        It is deleted anyway when the last view is forgotten, and when the process ends.
        """
        self.recording.close()

    # -- showing --------------------------------------------------------------------------------

    def show(self, raw: bool = False) -> None:
        """Write the log to `sys.stdout` and `sys.stderr` again, and display the outputs.

        Parameters
        ----------
        raw
            Write every control sequence as it was captured. The default keeps colours and
            makes everything else harmless: it cannot move the cursor, set a title or type.
        """
        encoding, errors = self._codec
        lines = self._lines()
        to_stderr = {i for i, name in enumerate(lines.snapshot.sources) if is_stderr(name)}
        for row in lines.read(self._indices(lines)):
            stream = sys.stderr if row.source in to_stderr else sys.stdout
            stream.write(row.raw.decode(encoding, errors))
        sys.stdout.flush()
        sys.stderr.flush()
        for output in self.outputs:
            output.display()

    __call__ = show

    def __str__(self) -> str:
        """The text, of a narrower view; else that of stdout, as of IPython's `CapturedIO`."""
        return self.stdout if self._selection is None else self.text

    def __bool__(self) -> bool:
        """Whether anything was captured."""
        if self._selection is not None:
            return len(self._selection) > 0
        return self.nbytes > 0 or bool(self._outputs)

    def __repr__(self) -> str:
        if self.recording.closed:
            return "<Captured: closed>"
        if self._selection is not None:
            return f"<Captured: {len(self._selection):,} lines of a log>"
        state = "" if self.complete else ", still writing"
        size = f"{len(self):,} lines, {self.nbytes:,} bytes"
        return f"<Captured: {size} in {self.duration:.3g} s{state}>"

    # -- reading --------------------------------------------------------------------------------

    @property
    def _codec(self) -> tuple[str, str]:
        """Encoding and error handler of what `_lines` reads."""
        encoding = self.recording.facts.get("encoding", "utf-8")
        if is_wide(encoding):
            return "utf-8", "surrogatepass"
        return encoding, self.recording.facts.get("errors", "replace")

    def _snapshot(self) -> Snapshot:
        return self._pinned if self._pinned is not None else self.recording.snapshot()

    def _lines(self) -> Lines:
        if self._pinned is not None:
            return Lines(self._pinned, self._index)
        facts = self.recording.facts
        # Over the limit, what follows the gap moves on with everything written.
        moves = facts.get("max_bytes") is not None and self.recording.writing is not None
        snapshot = self.recording.snapshot()
        encoding = facts.get("encoding", "utf-8")
        if is_wide(encoding):
            errors = facts.get("errors", "replace")
            snapshot = transcode(snapshot, encoding, errors, self.complete)
        return Lines(snapshot, LineIndex() if moves else self._index)


def _count(n: int) -> int:
    if not isinstance(n, int):
        raise TypeError(f"a number of lines is an int, not {n!r}")
    if n < 0:
        raise ValueError(f"a number of lines is 0 or more, not {n}")
    return n


def _datetime(time_ns: int) -> datetime.datetime:
    moment = _EPOCH + datetime.timedelta(microseconds=time_ns // 1000)
    return moment.astimezone()


def is_stderr(name: str) -> bool:
    """Tell whether a source is somebody's stderr."""
    return name == "stderr" or name.endswith("/stderr")


def _numbers(lines: Lines, names: tuple[str, ...]) -> set[int]:
    return {number for number, name in enumerate(lines.snapshot.sources) if name in names}


def _ranges_between(lines: Lines, first: int, last: int) -> Iterator[range]:
    """Yield the indices of lines that start from ``first`` to ``last`` (µs since the epoch).

    The clock may have been set back meanwhile: each chunk is looked at.
    """
    snapshot = lines.snapshot
    wanted = [first <= moment // 1000 <= last for moment in snapshot.times.tolist()]
    position = 0
    for inside, group in itertools.groupby(wanted):
        following = position + sum(1 for _ in group)
        if inside:
            is_last = following == len(wanted)
            stop = len(lines) if is_last else lines.started_before(snapshot.starts[following])
            yield range(lines.started_before(snapshot.starts[position]), stop)
        position = following
