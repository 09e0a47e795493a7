"""What was captured: the object that the user holds, a sequence of lines and of parts of it.

Nothing is read or decoded before it is asked for, and a narrower view holds no more than the
numbers of its lines. The work is done elsewhere in this room: each method takes a `Reading` of
the log as it is now, and hands it on.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from .line import Line
from .moments import Moment, microseconds_of
from .pickling import Chunk, parts_of, pickled, recording_of, restore
from .shown import ShownLines
from .view import words
from .view.words import counted
from .viewing import View, installed

# What reads logs takes longer to import than all that captures one, and many a log is never read:
# the methods import it.
if TYPE_CHECKING:
    from .reading import Reading
    from .search import Pattern
    from .unread import Unread


class Captured(ShownLines, Sequence[Line]):
    r"""A captured log, or a narrower view of one: a sequence of `Line`.

    ``logs[0]``, ``logs[-1]``, ``len(logs)``, ``for line in logs``, ``"text" in logs``: by line;
    ``text``, ``stdout``, ``stderr``, ``raw``, ``print(logs)``: everything;
    ``grep("...")``, ``head()``, ``tail()``, ``source("stderr")``, ``between()``: a part of it;
    ``levels()``, ``rate()``, ``gaps()``, ``duration``, ``dropped``: about it;
    ``show()``, ``outputs``: shown again, with the rich displays;
    ``save("run.html")``, ``to_pandas()``: elsewhere.

    It may be read while it still grows. A narrower view (`head`, `tail`, `grep`, `source`,
    `between`, a slice) is of the lines that were there when it was made; it is itself a
    `Captured`, without the displays.

    Parameters
    ----------
    recording
        Where the bytes are.
    outputs
        The rich displays that were captured: keyword arguments of IPython's `RichOutput`.

    Examples
    --------
    The examples here read this log, of a solver and of a labelled child of its cell:

    >>> for line in logs:
    ...     print(line.number, line.source, line)
    1 stdout solver 1.0
    2 stdout iteration 1: loss 0.5
    3 stderr warning: small step
    4 stdout iteration 2: loss 0.25
    5 mesh/stdout 12 cells
    6 stdout done

    It is a sequence:

    >>> len(logs)
    6
    >>> logs[0], logs[-1]
    ('solver 1.0', 'done')
    >>> logs[1:4:2].text
    'iteration 1: loss 0.5\niteration 2: loss 0.25\n'
    >>> "small step" in logs
    True
    """

    __hash__ = None  # type: ignore[assignment]  # equal by content, and the content may grow
    #: What `new` has not returned yet, once it was called.
    _unread: Unread | None = None

    @overload
    def __getitem__(self, key: int) -> Line: ...

    @overload
    def __getitem__(self, key: slice) -> Captured: ...

    def __getitem__(self, key: int | slice) -> Line | Captured:
        reading = self._read()
        if not isinstance(key, slice) and not hasattr(key, "__index__"):
            how = f" (lines that hold it: grep({key!r}))" if isinstance(key, str | bytes) else ""
            raise TypeError(f"an index is the position of a line, or a slice, not {key!r}{how}")
        try:
            selected = reading.indices[key]
        except IndexError:
            count = counted(len(reading.indices), "line")
            raise IndexError(f"there is no line [{key}]: the log has {count}") from None
        if isinstance(selected, int):
            return reading.line(selected)
        return self._narrowed(selected, reading, words.sliced(key))

    def index(self, value: object, start: int = 0, stop: int | None = None) -> int:
        """Return the position of the first line that equals ``value``.

        Parameters
        ----------
        value
            The text of the line, without its end.
        start, stop
            Where to look, as in a slice.

        Raises
        ------
        ValueError
            If there is none.

        Examples
        --------
        >>> logs.index("warning: small step")
        2
        """
        first, last, _ = slice(start, stop).indices(len(self))
        for position, line in enumerate(self[first:last], first):
            if line == value:
                return position
        raise ValueError(f"no line is {value!r} (lines that hold it: grep())")

    def count(self, value: object) -> int:
        """Return how many lines equal ``value``.

        Parameters
        ----------
        value
            The text of a line, without its end.

        Examples
        --------
        >>> logs.count("done"), logs.count("iteration")
        (1, 0)
        """
        return sum(line == value for line in self)

    # -- narrowing ------------------------------------------------------------------------------

    def head(self, n: int = 10) -> Captured:
        """Return the first lines.

        Parameters
        ----------
        n
            How many.

        Raises
        ------
        TypeError, ValueError
            If ``n`` is not a whole number of at least 0.

        Examples
        --------
        >>> list(logs.head(2))
        ['solver 1.0', 'iteration 1: loss 0.5']
        """
        from .narrowing import checked_count

        return self[: checked_count(n)]

    def tail(self, n: int = 10) -> Captured:
        """Return the last lines.

        Parameters
        ----------
        n
            How many.

        Raises
        ------
        TypeError, ValueError
            If ``n`` is not a whole number of at least 0.

        Examples
        --------
        >>> list(logs.tail(2))
        ['12 cells', 'done']
        """
        from .narrowing import checked_count

        reading = self._read()
        first = max(0, len(reading.indices) - checked_count(n))
        return self._narrowed(reading.indices[first:], reading, words.called("tail", n))

    def grep(
        self,
        pattern: Pattern | None = None,
        ignore_case: bool = False,
        source: str | None = None,
        context: int | Literal["entry"] = 0,
        *,
        level: str | None = None,
    ) -> Captured:
        """Return the lines that match.

        Parameters
        ----------
        pattern
            Text or bytes to find literally, or a compiled regular expression to search each
            line with. Text is looked for in lines as they are seen (`plain`), bytes in what was
            written.
        ignore_case
            Treat upper and lower case as the same.
        source
            Only lines of this source match (as in `source`).
        context
            Also return up to this many lines before and after each match, of any source; with
            ``"entry"``, the lines that go on with it: a traceback's body, a compiler's caret.
        level
            Only lines of this level or worse match: ``"warning"`` (as in `levels`). With a sign,
            ``"=warning"``, those of this level alone.

        Raises
        ------
        TypeError
            If there is neither a pattern nor a level, or one is of the wrong type.
        ValueError
            If the log has no such source, or there is no such level.

        Examples
        --------
        >>> list(logs.grep("iteration"))
        ['iteration 1: loss 0.5', 'iteration 2: loss 0.25']
        >>> import re
        >>> list(logs.grep(re.compile(r"loss 0\\.5$")))
        ['iteration 1: loss 0.5']
        >>> list(logs.grep(level="warning", context=1))
        ['iteration 1: loss 0.5', 'warning: small step', 'iteration 2: loss 0.25']
        """
        from . import narrowing
        from .view.marks import compiled

        reading = self._read()
        near = narrowing.checked_context(context)
        found = narrowing.matching(reading, pattern, ignore_case, source, near, level)
        how = words.called(
            "grep", pattern, ignore_case=ignore_case, source=source, context=context, level=level
        )
        view = self._narrowed(found, reading, how)
        if pattern is not None:
            view._marks = (*self._marks, compiled(pattern, ignore_case))
        return view

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
            If the log has no such source.

        Examples
        --------
        >>> list(logs.source("stderr"))
        ['warning: small step']
        >>> list(logs.source("mesh"))
        ['12 cells']
        """
        from . import narrowing

        reading = self._read()
        wanted = narrowing.sources_named(reading, name)
        found = narrowing.of_sources(reading, wanted)
        return self._narrowed(found, reading, words.called("source", name))

    def of_sources(self, numbers: Collection[int]) -> Captured:
        """Return the lines of some sources, by their numbers.

        Parameters
        ----------
        numbers
            Positions in ``recording.sources``: two sources may have one name.

        Examples
        --------
        >>> list(logs.of_sources([1, 2]))
        ['warning: small step', '12 cells']
        """
        from . import narrowing

        reading = self._read()
        found = narrowing.of_sources(reading, set(numbers))
        return self._narrowed(found, reading, words.called("of_sources", numbers))

    def between(self, start: Moment | None = None, end: Moment | None = None) -> Captured:
        """Return the lines that were recorded in a stretch of time, both ends included.

        Parameters
        ----------
        start, end
            Moments: a datetime (naive: local time), or the time since the start of the capture,
            as a timedelta or in seconds. None: from the first, to the last.

        Raises
        ------
        TypeError, ValueError
            If one of them is no moment, or is outside the years that a datetime can hold.

        Examples
        --------
        >>> list(logs.between(1, 2))
        ['iteration 1: loss 0.5', 'warning: small step']
        >>> list(logs.between(logs[4].time))
        ['12 cells', 'done']
        """
        from . import narrowing

        first = 0 if start is None else microseconds_of(start, self.started)
        last = 1 << 63 if end is None else microseconds_of(end, self.started)
        reading = self._read()
        found = narrowing.between(reading, first, last)
        return self._narrowed(found, reading, words.called("between", start, end))

    def new(self) -> Captured:
        r"""Return what came since this was last called on this object; at first, everything.

        While the capture runs and after it: what Python and C keep in their buffers is in it, and
        each byte comes once. A line that is not finished comes in parts, a character never. What it
        returns is a log of its own, with lines that count from 1: it stays when this one is closed.

        Raises
        ------
        ValueError
            If this is a narrower view, to which nothing comes (``logs.new().source("stderr")``
            narrows what is new), or if it was closed.

        Examples
        --------
        >>> from ipyfdcapture import capture_fd
        >>> with capture_fd() as running:
        ...     print("step 1")
        ...     first = running.new()
        ...     print("step 2")
        >>> first.stdout, running.new().stdout, running.new().stdout
        ('step 1\n', 'step 2\n', '')
        """
        if not self.is_whole:
            raise ValueError(
                "a narrower view gets nothing new: ask the log, and narrow what is new"
            )
        from .unread import Unread

        if self._unread is None:
            self._unread = Unread(self.recording)
        return Captured(*self._unread.take(self._outputs))

    def _narrowed(self, selection: Sequence[int], reading: Reading, how: str = "[…]") -> Captured:
        view = copy.copy(self)
        view._outputs = []  # displays are not lines
        view._narrowed_by = (*self._narrowed_by, how)
        view._selection = selection
        view._index = reading.lines.index
        if view._index is not self._index:  # numbers of lines that may be gone the next time
            view._pinned = reading.lines.snapshot
        return view

    def explore(
        self,
        search: str | None = None,
        *,
        level: str | None = None,
        height: int = 400,
        follow: bool = False,
    ) -> View[Captured]:
        """Show the lines in the browser, to search, filter and follow them, ten million and more.

        It is the value of the cell: ``logs.explore()``. Without the extra ``viewer``, or in a
        terminal, the static view stands in its place.

        Parameters
        ----------
        search
            A text to look for at first.
        level
            The least level to show at first: ``"warning"`` (as in `levels`).
        height
            The height of the lines, in pixels.
        follow
            Stay at the end as the log grows.

        Returns
        -------
        View
            ``view.selected`` are the lines that are marked in the browser, as a `Captured`;
            ``view.goto(12345)`` shows a line by its number.

        Raises
        ------
        ValueError
            If one of these is not what is accepted.

        Examples
        --------
        >>> view = logs.explore(search="loss", level="warning")
        >>> len(view.selected)
        0
        """
        return installed().explore(self, search, level, height, follow)

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
        view._narrowed_by, view._marks = self._narrowed_by, self._marks
        return view

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        parts = parts_of(self.recording, self._snapshot())
        how = self._narrowed_by, self._marks
        return restore, ("Captured", *parts, self._outputs, self._selection, *how)


def _restore(
    chunks: list[Chunk],
    metadata: dict[str, Any],
    outputs: list[dict[str, Any]],
    selection: Sequence[int] | None,
    narrowed_by: tuple[str, ...] = (),
    marks: tuple[Pattern, ...] = (),
) -> Captured:
    captured = Captured(recording_of(chunks, metadata), outputs)
    captured._selection = selection
    captured._narrowed_by, captured._marks = narrowed_by, marks
    return captured


pickled("Captured", _restore)
