"""Many recordings put into one, in order of time, while all of them grow.

Each is a *stream* of chunks in its own order, which is kept. A chunk may be written once no other
stream can have an earlier one: each stream says from which time on it may still give something,
and what is older than the earliest of these is due.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, chain
from operator import itemgetter

from .protocol import CHUNK

#: The number of its source, its bytes, and its time (ns since the epoch).
Chunk = tuple[int, bytes, int]


class Stream:
    """What one recording gives, and what it has yet to give.

    Attributes
    ----------
    nbytes
        How many bytes wait to be written.
    """

    #: What a chunk takes in memory beside its bytes.
    _CHUNK_BYTES = 200

    def __init__(self) -> None:
        self._sources: list[int] = []
        self._parts: list[bytes] = []
        self._times: list[int] = []
        self.nbytes = 0
        self._last = 0
        self._may_give_from = 0

    def add(self, entries: bytes, data: bytes, offset: int, numbers: list[int]) -> None:
        """Take chunks as `protocol` describes them.

        Parameters
        ----------
        entries, data
            The chunks.
        offset
            How far (ns) its clock is ahead of ours.
        numbers
            The number of each of its sources in the merged recording.
        """
        times, lengths, sources = [], [], []
        for time, length, source in CHUNK.iter_unpack(entries):
            times.append(time - offset)
            lengths.append(length)
            sources.append(numbers[source])
        # Its own order is that of its bytes: a clock that was set back does not change it.
        times = list(accumulate(chain((self._last,), times), max))[1:]
        stops = list(accumulate(lengths))
        self._parts += [
            data[stop - length : stop] for stop, length in zip(stops, lengths, strict=True)
        ]
        self._times += times
        self._sources += sources
        self.nbytes += len(data)
        if times:
            self._last = times[-1]
            self._may_give_from = max(self._may_give_from, self._last)

    def gives_from(self, time: int) -> None:
        """It gives nothing older than this (ns, by our clock) any more."""
        self._may_give_from = max(self._may_give_from, time)

    def take(self, until: int) -> list[Chunk]:
        """Return what is due, and forget it."""
        count = bisect_right(self._times, until)
        due = list(
            zip(self._sources[:count], self._parts[:count], self._times[:count], strict=True)
        )
        del self._sources[:count], self._parts[:count], self._times[:count]
        self.nbytes -= sum(len(part) for _, part, _ in due)
        return due

    @property
    def memory(self) -> int:
        """How many bytes of memory it takes."""
        return self.nbytes + self._CHUNK_BYTES * len(self._times)

    @property
    def may_give_from(self) -> int:
        """The time (ns) of the oldest that it may still give."""
        return self._may_give_from


def merged(streams: list[Stream], until: int) -> Iterator[Chunk]:
    """Take what is due of all streams, in order of time."""
    due = [each.take(until) for each in streams]
    some = [each for each in due if each]
    if len(some) == 1:
        yield from some[0]
        return
    # Each is sorted: to sort them all is to merge them, and what is of one time keeps its order.
    yield from sorted(chain.from_iterable(some), key=itemgetter(2))
