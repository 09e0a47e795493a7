"""The output of each source over time, as bars of text."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass

from ..moments import local_time
from ..reading import Reading
from ..timing import bytes_over_time, silences_of_log, time_range

#: Into how many stretches views cut the time.
TIMELINE_WIDTH = 60
_BARS = "▁▂▃▄▅▆▇█"
_SILENT = "·"


@dataclass(frozen=True)
class Track:
    """The output of one source over time."""

    source: str
    nbytes: int
    #: One character for each stretch of time: a bar, or a dot where nothing came.
    bars: str


@dataclass(frozen=True)
class Timeline:
    """The output of all sources over time."""

    tracks: list[Track]
    #: When it starts, in local time, and how long it is, in seconds.
    started: datetime.datetime
    seconds: float
    #: The longest silence, in seconds, and when it began, in seconds after the start.
    silence: float
    silence_start: float


def timeline(reading: Reading, width: int = TIMELINE_WIDTH) -> Timeline | None:
    """Return the output over time, in ``width`` stretches; sources without output are left out.

    None of a narrower view, or of a single line.
    """
    lines = reading.lines
    if not reading.whole or len(lines) < 2:
        return None
    start, stop = time_range(reading)
    totals = bytes_over_time(lines, start, stop, width)
    bars = _Bars(max((max(total) for total in totals), default=0))
    tracks = [
        Track(source, sum(total), "".join(map(bars.__getitem__, total)))
        for source, total in zip(lines.snapshot.sources, totals, strict=True)
        if any(total)
    ]
    longest = silences_of_log(lines, start, stop, 1)
    silence = (longest[0].stop - longest[0].start) / 1e9 if longest else 0.0
    silence_start = (longest[0].start - start) / 1e9 if longest else 0.0
    return Timeline(tracks, local_time(start), (stop - start) / 1e9, silence, silence_start)


class _Bars(dict[int, str]):
    """The bar for a number of bytes, each made once: a thousand children have 60,000."""

    def __init__(self, most: int) -> None:
        super().__init__({0: _SILENT})
        self._most = most

    def __missing__(self, count: int) -> str:
        # The square root: beside one burst, all else would be flat.
        bar = self[count] = _BARS[round((len(_BARS) - 1) * math.sqrt(count / self._most))]
        return bar
