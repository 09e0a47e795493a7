"""Output over time: how much came when, and where it was silent."""

from __future__ import annotations

import datetime
import heapq
import math
from collections.abc import Callable, Iterator
from itertools import chain, count, groupby, pairwise
from operator import sub
from typing import Any, NamedTuple

from ..system import clock
from .line import Gap
from .lines import Lines
from .moments import local_time
from .pickling import pickled, restore
from .reading import Reading

_S = 1_000_000_000  # ns
#: More entries than this are a mistake in the interval.
MAX_ENTRIES = 1_000_000
#: So many chunks are looked at together: an index may be longer than all that is to be in memory.
_SLICE_CHUNKS = 1 << 14


class Rate(NamedTuple):
    """What came in one stretch of time, as `Captured.rate` returns it."""

    #: When the stretch began.
    start: datetime.datetime
    #: How long it is.
    seconds: float
    #: How many lines began in it.
    lines: int
    #: How many bytes came in it.
    nbytes: int

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return restore, ("Rate", *self)


pickled("Rate", Rate)


class Silence(NamedTuple):
    """A stretch of time without output, as positions in a log."""

    #: When it began, and when it ended: ns since the epoch.
    start: int
    stop: int
    #: The index of the last line that began before it, and of the first after it; None: there
    #: is none.
    before: int | None
    after: int | None


def duration(started: int, ended: int | None) -> float:
    """Return how long a capture ran, in seconds; if it runs (``ended`` is None), so far."""
    return max(0, (ended or clock.time_ns()) - started) / _S


def time_range(reading: Reading) -> tuple[int, int]:
    """Return when a log begins and ends, in ns since the epoch.

    Usually that is when its capture started and stopped; but what it holds may be older (it goes
    on from another log), or newer (from children that lived on).
    """
    times = reading.lines.snapshot.times
    start, stop = reading.started, reading.ended or clock.time_ns()
    if not len(times):
        return start, max(start, stop)
    return min(start, times[0]), max(stop, times[-1])


def ranges_between(lines: Lines, first: int, last: int) -> Iterator[range]:
    """Yield the indices of the lines that begin from ``first`` to ``last`` (µs since the epoch).

    The clock may have been set back meanwhile: each chunk is looked at.
    """
    snapshot = lines.snapshot
    moments = _values(snapshot.times)
    position = 0
    for inside, group in groupby(first <= moment // 1000 <= last for moment in moments):
        following = position + sum(1 for _ in group)
        if inside:
            is_last = following == len(snapshot.times)
            stop = len(lines) if is_last else lines.started_before(snapshot.starts[following])
            yield range(lines.started_before(snapshot.starts[position]), stop)
        position = following


def nice_interval(seconds: float, entries: int) -> float:
    """Return 1, 2 or 5 times a power of ten that cuts a time (s) into at most so many entries."""
    interval = 1e-6
    while interval * entries < seconds:
        for factor in (2, 2.5, 2):  # 1, 2, 5, 10
            interval *= factor
            if interval * entries >= seconds:
                break
    return float(f"{interval:.0e}")


def bytes_over_time(lines: Lines, start: int, stop: int, entries: int) -> list[list[int]]:
    """Return, for each source, the bytes that came in each of equal stretches of time.

    Parameters
    ----------
    lines
        The log.
    start, stop
        From when to when, in ns since the epoch; what is outside counts to the nearest end.
    entries
        How many stretches.
    """
    snapshot = lines.snapshot
    length = max(stop - start, 1)
    totals = [[0] * entries for _ in snapshot.sources]
    borders = pairwise(chain(_values(snapshot.starts), (len(snapshot),)))
    chunks = zip(_values(snapshot.times), _values(snapshot.source_numbers), borders, strict=False)
    for moment, source, (begin, end) in chunks:
        entry = (moment - start) * entries // length
        totals[source][min(max(entry, 0), entries - 1)] += end - begin
    return totals


def total_bytes_over_time(lines: Lines, start: int, stop: int, entries: int) -> list[int]:
    """Return the same for all sources together."""
    return list(map(sum, zip(*bytes_over_time(lines, start, stop, entries), strict=True)))


def _values(column: memoryview) -> Iterator[int]:
    """Yield a column of the index, without having all of it in memory."""
    return chain.from_iterable(_slices(column))


def _slices(column: memoryview) -> Iterator[list[int]]:
    """Yield a column of the index in parts."""
    for first in range(0, len(column), _SLICE_CHUNKS):
        yield column[first : first + _SLICE_CHUNKS].tolist()


def rate(reading: Reading, seconds: float | None) -> list[Rate]:
    """Return lines and bytes over time, in stretches of so many seconds (None: up to 60).

    Raises `ValueError` if that is no interval, or far too short a one.
    """
    start, stop = time_range(reading)
    if seconds is None:
        seconds = nice_interval((stop - start) / _S, 60)
    try:
        interval = int(seconds * _S) if 0 < seconds < math.inf else 0
    except TypeError:  # no number
        interval = 0
    entries = (stop - start) // interval + 1 if interval else 0
    if not 0 < entries <= MAX_ENTRIES:
        raise ValueError(
            f"an interval is a number of seconds above 0 that cuts {(stop - start) / _S:.3g} s "
            f"into at most {MAX_ENTRIES:,} parts, not {seconds!r}"
        )
    if reading.whole:
        counts = _count_log(reading.lines, start, interval, entries)
    else:
        counts = _count_lines(reading, start, interval, entries)
    return [
        Rate(local_time(start + i * interval), interval / _S, lines, nbytes)
        for i, (lines, nbytes) in enumerate(counts)
    ]


def _count_log(lines: Lines, start: int, interval: int, entries: int) -> list[list[int]]:
    snapshot = lines.snapshot
    counts = [[0, 0] for _ in range(entries)]
    moments = _values(snapshot.times)
    numbers = (min(max((moment - start) // interval, 0), entries - 1) for moment in moments)
    chunk, begin, begun = 0, 0, 0
    for number, group in groupby(numbers):
        chunk += sum(1 for _ in group)
        is_last = chunk == len(snapshot.times)
        end = len(snapshot) if is_last else snapshot.starts[chunk]
        ended = len(lines) if is_last else lines.started_before(end)
        counts[number][0] += ended - begun
        counts[number][1] += end - begin
        begin, begun = end, ended
    return counts


def _count_lines(reading: Reading, start: int, interval: int, entries: int) -> list[list[int]]:
    counts = [[0, 0] for _ in range(entries)]
    for row in reading.rows():
        count = counts[min(max((row.time - start) // interval, 0), entries - 1)]
        count[0] += 1
        count[1] += len(row.raw)
    return counts


def gaps(reading: Reading, n: int) -> list[Gap]:
    """Return the longest silences, longest first, as users get them."""
    return [
        Gap(
            local_time(silence.start),
            (silence.stop - silence.start) / _S,
            None if silence.before is None else reading.line(silence.before),
            None if silence.after is None else reading.line(silence.after),
        )
        for silence in silences(reading, n)
    ]


def silences(reading: Reading, n: int) -> list[Silence]:
    """Return the longest silences, longest first: of a whole log, or between some lines of it."""
    if reading.whole:
        return silences_of_log(reading.lines, *time_range(reading), n)
    return heapq.nlargest(n, _silences(reading), key=lambda gap: gap.stop - gap.start)


def silences_of_log(lines: Lines, start: int, stop: int, n: int) -> list[Silence]:
    """Return the longest times in which no source wrote anything, longest first.

    The time from ``start`` to the first byte counts, and that from the last to ``stop``
    (ns since the epoch).
    """
    times = lines.snapshot.times
    end = max(stop, times[-1]) if len(times) else stop
    longest: list[tuple[int, ...]] = []
    before, number = start, 0
    for moments in chain(_slices(times), ([end],)):
        befores = [before, *moments]
        # Of two that are as long, the first: their numbers count down.
        found = zip(map(sub, moments, befores), count(-number, -1), befores, moments, strict=False)
        longest = heapq.nlargest(n, chain(longest, found))
        before = moments[-1]
        number += len(moments)
    return [
        _silence(lines, -countdown, begun, ended)
        for length, countdown, begun, ended in longest
        if length > 0
    ]


def _silence(lines: Lines, chunk: int, start: int, stop: int) -> Silence:
    """Return the silence before a chunk, or after the last."""
    starts = lines.snapshot.starts
    begun = lines.started_before(starts[chunk]) if chunk < len(starts) else len(lines)
    before = begun - 1 if begun else None
    after = begun if begun < len(lines) else None
    return Silence(start, stop, before, after)


def _silences(reading: Reading) -> Iterator[Silence]:
    before = None
    for row in reading.rows():
        if before is not None and row.time > before.time:
            yield Silence(before.time, row.time, before.nth, row.nth)
        before = row
