"""What was captured: the object that the user holds, a log read by line, source and time.

Nothing is read or decoded before it is asked for, and a narrower view holds no more than the
numbers of its lines.
"""

from __future__ import annotations

import copy
import datetime
import os
import sys
import time
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from ..recording.recording import Recording, Snapshot, record_bytes
from ..recording.sources import is_stderr
from . import export
from .decoding import Reading
from .levels import count_levels
from .lines import LineIndex, Lines, Row, joined
from .search import Pattern, both, compile_search, find, search_for_level, with_context
from .timing import Rate, local_time, microseconds_of, ranges_between, rate, silences
from .view.ansi import PLAIN, Style, runs_of, to_terminal
from .view.summary import counted, phrases, state

if TYPE_CHECKING:
    import pandas
    from IPython.utils.capture import RichOutput

#: A moment: a datetime (naive: local time), or the time since the start: a timedelta, or seconds.
Moment = datetime.datetime | datetime.timedelta | float

#: The sources whose text is ``stdout``: with ``merge``, both streams come by one pipe.
_STDOUT = ("stdout", "stdout+stderr")


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
        return local_time(self.time_ns)


class Gap(NamedTuple):
    """A silence."""

    #: When it began.
    start: datetime.datetime
    #: How long it was.
    seconds: float
    #: The last line that began before it, and the first after it.
    before: Line | None
    after: Line | None


class Captured:
    """A captured log, or a narrower view of one.

    It is a sequence of `Line`. It may be read while it still grows; a narrower view (`head`,
    `tail`, `grep`, `source`, `between`, a slice) is of the lines that were there when it was
    made, and is itself a `Captured`, without the displays.

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
        reading = self._read()
        return "".join(reading.text_parts(_numbers_of_stream(reading, _STDOUT)))

    @property
    def stderr(self) -> str:
        """What was written to stderr, decoded."""
        reading = self._read()
        return "".join(reading.text_parts(_numbers_of_stream(reading, ("stderr",))))

    @property
    def text(self) -> str:
        """What was written by all sources, decoded, in order of arrival.

        In a narrower view: its lines, each with its line end.
        """
        return "".join(self._read().text_parts())

    @property
    def raw(self) -> bytes:
        """The bytes that `text` is decoded from."""
        if self._selection is None:
            return bytes(self._snapshot().data)
        return b"".join(self._read().raw_lines())

    @property
    def outputs(self) -> list[RichOutput]:
        """The rich displays that were captured, as IPython's `RichOutput`."""
        if not self._outputs:
            return []
        from IPython.utils.capture import RichOutput

        return [RichOutput(**output) for output in self._outputs]

    # -- lines ----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._read().indices)

    def __iter__(self) -> Iterator[Line]:
        reading = self._read()
        return _make_lines(reading, reading.indices)

    def __reversed__(self) -> Iterator[Line]:
        reading = self._read()
        return _make_lines(reading, reading.indices[::-1])

    @overload
    def __getitem__(self, key: int) -> Line: ...

    @overload
    def __getitem__(self, key: slice) -> Captured: ...

    def __getitem__(self, key: int | slice) -> Line | Captured:
        reading = self._read()
        try:
            selected = reading.indices[key]
        except IndexError:
            count = counted(len(reading.indices), "line")
            raise IndexError(f"there is no line [{key}]: the log has {count}") from None
        if isinstance(selected, int):
            return next(_make_lines(reading, (selected,)))
        return self._narrowed(selected, reading.lines)

    def __contains__(self, text: object) -> bool:
        """Tell whether ``text`` (str or bytes) occurs anywhere in the log."""
        if isinstance(text, str) and "\n" in text:
            return text in self.text
        if isinstance(text, bytes) and b"\n" in text:
            return text in self.raw
        if not isinstance(text, str | bytes):
            raise TypeError(f"what is in a log is str or bytes, not {text!r}")
        reading = self._read()
        search = compile_search(text, False, reading.encoding, reading.errors)
        return any(map(len, find(reading.lines, reading.indices, search)))

    # -- narrowing ------------------------------------------------------------------------------

    def head(self, n: int = 10) -> Captured:
        """Return the first ``n`` lines."""
        return self[: _checked_count(n)]

    def tail(self, n: int = 10) -> Captured:
        """Return the last ``n`` lines."""
        reading = self._read()
        first = max(0, len(reading.indices) - _checked_count(n))
        return self._narrowed(reading.indices[first:], reading.lines)

    def grep(
        self,
        pattern: Pattern | None = None,
        ignore_case: bool = False,
        source: str | None = None,
        context: int = 0,
        *,
        level: str | None = None,
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
        level
            Only lines match that say to be of this level: ``"warning"`` (as in `levels`).
        """
        reading = self._read()
        searches = []
        if pattern is not None:
            searches.append(compile_search(pattern, ignore_case, reading.encoding, reading.errors))
        if level is not None:
            searches.append(search_for_level(level))
        if not searches:
            raise TypeError("grep needs a pattern, or a level")
        search = searches[0] if len(searches) == 1 else both(*searches)
        wanted = None if source is None else _sources_named(reading, source)
        positions = find(reading.lines, reading.indices, search, wanted)
        found = with_context(positions, _checked_count(context), len(reading.indices))
        return self._at(found, reading)

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
        reading = self._read()
        return self._of_sources(_sources_named(reading, name), reading)

    def of_sources(self, numbers: Collection[int]) -> Captured:
        """Return the lines of some sources by their numbers, for which no name is looked up.

        Parameters
        ----------
        numbers
            Positions in ``recording.sources``: two sources may have one name.
        """
        return self._of_sources(set(numbers), self._read())

    def _of_sources(self, wanted: set[int], reading: Reading) -> Captured:
        if reading.whole:
            return self._narrowed(joined(reading.lines.ranges_by_source(wanted)), reading.lines)
        return self._where(lambda row: row.source in wanted, reading)

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
        reading = self._read()
        if reading.whole:
            return self._narrowed(joined(ranges_between(reading.lines, first, last)), reading.lines)
        return self._where(lambda row: first <= row.time // 1000 <= last, reading)

    def _where(self, wanted: Callable[[Row], bool], reading: Reading) -> Captured:
        positions = ((i,) for i, row in enumerate(reading.rows()) if wanted(row))
        return self._at(with_context(positions, 0, 0), reading)

    def _at(self, positions: Sequence[int], reading: Reading) -> Captured:
        """Return the view of the lines at some positions of what is read."""
        indices = reading.indices
        if isinstance(positions, range):
            return self._narrowed(indices[positions.start : positions.stop], reading.lines)
        if indices == range(len(indices)):
            return self._narrowed(positions, reading.lines)
        return self._narrowed(array("I", map(indices.__getitem__, positions)), reading.lines)

    def _narrowed(self, selection: Sequence[int], lines: Lines) -> Captured:
        view = copy.copy(self)
        view._outputs = []  # displays are not lines
        view._selection = selection
        view._index = lines.index
        if view._index is not self._index:  # numbers of lines that may be gone the next time
            view._pinned = lines.snapshot
        return view

    def _microseconds(self, moment: Moment | None, default: int) -> int:
        if moment is None:
            return default
        given = moment
        try:
            if isinstance(moment, int | float):
                moment = datetime.timedelta(seconds=moment)
            if isinstance(moment, datetime.timedelta):
                moment = self.started + moment
            if isinstance(moment, datetime.datetime):
                return microseconds_of(moment)
        except (ValueError, OverflowError):
            raise ValueError(
                f"a moment is well within the years 1 to 9999, not {given!r}; None: no limit"
            ) from None
        raise TypeError(
            f"a moment is a datetime, a timedelta or seconds since the start, not {given!r}"
        )

    # -- what is in it --------------------------------------------------------------------------

    def levels(self) -> dict[str, int]:
        """Count the lines that say how serious they are, by level.

        Returns
        -------
        dict
            From ``trace``, ``debug``, ``info``, ``warning``, ``error``, ``critical``, those that
            occur, in this order. The formats that are understood are in `ipyfdcapture.log.levels`.
        """
        return count_levels(self._read())

    def rate(self, interval: float | None = None) -> list[Rate]:
        """Return how much came when.

        Parameters
        ----------
        interval
            Seconds that each entry covers; None: what gives up to 60 entries.

        Returns
        -------
        list of Rate
            ``start``, ``seconds``, ``lines`` and ``nbytes``, from the start to the end without
            a hole. A line counts when its first byte came.
        """
        return rate(self._read(), self.recording.facts, interval)

    def gaps(self, n: int = 5) -> list[Gap]:
        """Return the longest silences, the longest first.

        Of a whole log: when no source wrote anything, from the start of the capture to its end.
        Of a narrower view: from one of its lines to the next.

        Parameters
        ----------
        n
            How many.

        Returns
        -------
        list of Gap
            ``start``, ``seconds``, and the lines ``before`` and ``after`` (None: there is none).
        """
        reading = self._read()
        return [
            Gap(
                local_time(silence.start),
                (silence.stop - silence.start) / 1e9,
                *(
                    None if i is None else next(_make_lines(reading, (i,)))
                    for i in (silence.before, silence.after)
                ),
            )
            for silence in silences(reading, self.recording.facts, _checked_count(n))
        ]

    # -- facts ----------------------------------------------------------------------------------

    @property
    def started(self) -> datetime.datetime:
        """When the capture started, in local time."""
        return local_time(self.recording.facts["started"])

    @property
    def duration(self) -> float:
        """How long the capture ran, in seconds; while it runs, how long so far.

        What a child writes after the end is in the log, but not in this time.
        """
        facts = self.recording.facts
        stopped: int = facts.get("stopped", facts.get("crashed")) or time.time_ns()
        started: int = facts["started"]
        return max(0, stopped - started) / 1e9

    @property
    def nbytes(self) -> int:
        """The length of `raw`, in bytes."""
        if self._selection is None:
            return self.recording.nbytes()
        return sum(map(len, self._read().raw_lines()))

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
        reading = self._read()
        styles: dict[int, Style] = {}
        for row in reading.rows():
            stream = sys.stderr if is_stderr(reading.source(row)) else sys.stdout
            if raw:
                stream.write(reading.decode(row.raw))
                continue
            text = reading.text(row)
            runs, styles[row.source] = runs_of(text, styles.get(row.source, PLAIN))
            stream.write(to_terminal(runs) + ("\n" if row.raw.endswith(b"\n") else ""))
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
        reading = self._read()
        return f"<Captured: {', '.join([*phrases(self, reading), state(self)])}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        if self.recording.closed:
            return {"text/plain": repr(self)}
        from .view import html, text
        from .view import summary as facts

        reading = self._read()
        timeline = facts.timeline(self, reading)
        return {
            "text/plain": text.summary(self, reading, timeline),
            "text/html": html.view(self, reading, timeline),
        }

    # -- going elsewhere ------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the log to a file, whole or not at all.

        Parameters
        ----------
        path
            Its suffix says how: ``.txt`` (the text, in UTF-8), ``.jsonl`` (an object a line),
            ``.html`` (a page), ``.parquet`` (needs pyarrow).
        """
        export.save(self, self._read(), path)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a frame with a row a line: ``time``, ``source``, ``number``, ``text``."""
        return export.to_pandas(self._read())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the lines to pyarrow, polars, duckdb or pandas, a batch at a time."""
        return export.arrow_reader(self._read()).__arrow_c_stream__(requested_schema)

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same lines of the same sources, and the same displays."""
        if not isinstance(other, Captured):
            return NotImplemented
        mine, theirs = self._read(), other._read()
        if len(mine.indices) != len(theirs.indices) or self._outputs != other._outputs:
            return False
        return all(
            a.raw == b.raw and mine.source(a) == theirs.source(b)
            for a, b in zip(mine.rows(), theirs.rows(), strict=True)
        )

    def __copy__(self) -> Captured:
        view = Captured(self.recording, self._outputs)
        view._index = self._index
        view._selection = self._selection
        view._pinned = self._pinned
        return view

    def __reduce__(self) -> tuple[Any, ...]:
        snapshot = self._snapshot()
        facts = self.recording.facts | self.recording.loss(snapshot)
        facts |= {"sources": list(snapshot.sources), "dropped_at_gap": 0}
        if "crashed" not in facts:
            facts.setdefault("stopped", time.time_ns())
        ends = [*snapshot.starts, len(snapshot)][1:]
        chunks = [
            (source, bytes(snapshot.data[start:end]), moment)
            for source, start, end, moment in zip(
                snapshot.source_numbers, snapshot.starts, ends, snapshot.times, strict=True
            )
        ]
        return _restore, (chunks, facts, self._outputs, self._selection)

    # -- reading --------------------------------------------------------------------------------

    @property
    def is_whole(self) -> bool:
        """Whether it is a log itself, not a narrower view of one."""
        return self._selection is None

    @property
    def _codec(self) -> tuple[str, str]:
        """Encoding and error handler of what `_lines` reads."""
        facts = self.recording.facts
        return facts.get("encoding", "utf-8"), facts.get("errors", "replace")

    def _snapshot(self) -> Snapshot:
        return self._pinned if self._pinned is not None else self.recording.snapshot()

    def _read(self) -> Reading:
        lines = self._lines()
        indices = range(len(lines)) if self._selection is None else self._selection
        return Reading(lines, indices, *self._codec, self._selection is None)

    def _lines(self) -> Lines:
        if self._pinned is not None:
            return Lines(self._pinned, self._index)
        facts = self.recording.facts
        # Over the limit, what follows the gap moves on with everything written.
        moves = facts.get("max_bytes") is not None and self.recording.writing is not None
        return Lines(self.recording.snapshot(), LineIndex() if moves else self._index)


def _restore(
    chunks: list[tuple[int, bytes, int]],
    facts: dict[str, Any],
    outputs: list[dict[str, Any]],
    selection: Sequence[int] | None,
) -> Captured:
    from ..recording import spool

    recording = record_bytes(spool.directory(), chunks, facts)
    captured = Captured(recording, outputs)
    captured._selection = selection
    return captured


def _make_lines(reading: Reading, indices: Sequence[int]) -> Iterator[Line]:
    for row in reading.lines.read(indices):
        yield Line(reading.text(row), reading.source(row), row.nth + 1, row.time)


def _sources_named(reading: Reading, name: str) -> set[int]:
    if not isinstance(name, str):
        raise TypeError(f"a source is named by a str, not {name!r}")
    names = _STDOUT if name == "stdout" else (name,)
    known = reading.lines.snapshot.sources
    found = {
        number
        for number, source in enumerate(known)
        if source in names or source.startswith(f"{name}/")
    }
    if not found and name not in ("stdout", "stderr"):
        raise ValueError(f"no source {name!r} in this log; it has {', '.join(known)}")
    return found


def _numbers_of_stream(reading: Reading, names: tuple[str, ...]) -> set[int]:
    """Return the numbers of the sources that are stdout, or stderr.

    In a log that has labelled children alone, theirs.
    """
    sources = reading.lines.snapshot.sources
    if all("/" in source for source in sources):
        ending = f"/{names[0]}"
        return {n for n, source in enumerate(sources) if source.endswith(ending)}
    return reading.numbers(names)


def _checked_count(n: int) -> int:
    if not isinstance(n, int):
        raise TypeError(f"a number of lines is an int, not {n!r}")
    if n < 0:
        raise ValueError(f"a number of lines is 0 or more, not {n}")
    return n
