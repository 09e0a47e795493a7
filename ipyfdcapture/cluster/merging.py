"""Many recordings put into one, in order of time, while all of them grow.

Each is a *stream* of chunks in its own order, which is kept. A chunk may be written once no other
stream can have an earlier one: each stream says from which time on it may still give something,
and what is older than the earliest of these is due.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, chain
from operator import itemgetter

from .protocol import CHUNK, Answer

#: The number of its source, its bytes, and its time (ns since the epoch).
Chunk = tuple[int, bytes, int]

_CHUNK_WORDS = CHUNK.size // 8

#: So many chunks are put in order at a time. As objects, each takes 200 bytes beside its own.
_SORTED_CHUNKS = 1 << 16


class Stream:
    """What one recording gives, and what it has yet to give."""

    #: What a chunk takes in memory beside its bytes: what waits is kept in columns.
    _CHUNK_BYTES = 24

    def __init__(self) -> None:
        self._sources = array("Q")
        self._lengths = array("Q")
        self._times = array("q")
        self._data = bytearray()
        self._may_give_from = 0

    def add(
        self,
        entries: bytes,
        data: bytes,
        offset: int,
        numbers: list[int],
        latest: int | None = None,
    ) -> None:
        """Take chunks as `protocol` describes them.

        Parameters
        ----------
        entries, data
            The chunks.
        offset
            How far (ns) its clock is ahead of ours.
        numbers
            The number of each of its sources in the merged recording.
        latest
            When they were there at the latest (ns, by our clock), as far as is known.
        """
        words = array("Q", entries)
        if sys.byteorder == "big":
            words.byteswap()
        lengths = words[1::_CHUNK_WORDS]
        sources = [numbers[source] for source in words[2::_CHUNK_WORDS]]
        if sum(lengths) != len(data):
            raise ValueError(f"chunks of {sum(lengths)} bytes, and {len(data)} bytes")
        times = [time - offset for time in words[0::_CHUNK_WORDS]]
        if latest is not None:
            times = [time if time < latest else latest for time in times]
        # Its own order is that of its bytes, and what it may give from is a promise: a clock that
        # was set back changes neither.
        times = list(accumulate(times, max, initial=self._may_give_from))
        self._may_give_from = times[-1]
        self._times.extend(times[1:])
        self._lengths.extend(lengths)
        self._sources.extend(sources)
        self._data += data

    def gives_from(self, time: int) -> None:
        """It gives nothing older than this (ns, by our clock) any more."""
        self._may_give_from = max(self._may_give_from, time)

    def take(self, until: int) -> list[Chunk]:
        """Return what is due, and forget it."""
        count = bisect_right(self._times, until)
        if not count:
            return []
        stops = list(accumulate(self._lengths[:count]))
        data = bytes(self._data[: stops[-1]])
        parts = map(data.__getitem__, map(slice, chain((0,), stops), stops))
        due = list(zip(self._sources[:count], parts, self._times[:count], strict=True))
        del self._sources[:count], self._lengths[:count], self._times[:count]
        del self._data[: stops[-1]]
        return due

    def time_of(self, number: int) -> int | None:
        """Return the time (ns) of one of those that wait; None: there are not so many."""
        return self._times[number] if number < len(self._times) else None

    @property
    def nbytes(self) -> int:
        """How many bytes wait to be written."""
        return len(self._data)

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
    while waiting := [each for each in streams if each.nbytes]:
        # None gives more than its share at a time.
        share = max(1, _SORTED_CHUNKS // len(waiting))
        ends = (each.time_of(share - 1) for each in waiting)
        step = min((time for time in ends if time is not None), default=until)
        due = [each.take(min(step, until)) for each in waiting]
        # Each is sorted: to sort them all is to merge them; what is of one time keeps its order.
        yield from sorted(chain.from_iterable(due), key=itemgetter(2))
        if step >= until:
            return


def chunks_of(answer: Answer) -> list[Chunk]:
    """Return the chunks of an answer: the number of the source there, the bytes, and the time."""
    chunks, stop = [], 0
    for time, length, source in CHUNK.iter_unpack(answer["chunks"]):
        stop += length
        chunks.append((source, answer["data"][stop - length : stop], time))
    return chunks
