"""What is said about a log: words, numbers with units, and which of its lines to show."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..decoding import Reading
from ..lines import Row
from ..timing import bytes_over_time, local_time, silences_of_log, time_range
from . import ansi as safe

if TYPE_CHECKING:
    from ..captured import Captured

_BARS = "▁▂▃▄▅▆▇█"
_SILENT = "·"
#: Into how many stretches views cut the time.
TIMELINE_WIDTH = 60
#: So much is read of the start and of the end of a long line: no view shows more.
ENDS_BYTES = 8 << 10


def size(count: float) -> str:
    """Return a number of bytes for people: ``1.2 MB``."""
    if count < 999.5:
        return f"{count:.0f} B"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.5:
            return f"{value:.3g} {unit}"
    return f"{value / 1000:.3g} TB"


def time_span(seconds: float) -> str:
    """Return a time for people: ``12.3 s``, ``2 min 5 s``."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 line``, ``1,234 lines``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def state(log: Captured) -> str:
    """Return in a word or two how the captured code ended."""
    facts = log.recording.facts
    if "crashed" in facts:
        return "crashed"
    if "stopped" not in facts:
        return "running"
    if not log.complete:
        return "still writing"
    return "failed" if facts.get("failed") else "complete"


def phrases(log: Captured, reading: Reading) -> list[str]:
    """Return what is known of a log, a phrase each."""
    if reading.whole:
        said = [counted(len(reading.indices), "line"), size(len(reading.lines.snapshot))]
    else:
        said = [f"{len(reading.indices):,} of {counted(len(reading.lines), 'line')}"]
    said.append(time_span(log.duration))
    cell = log.recording.facts.get("cell")
    if cell is not None:
        said.insert(0, f"cell [{cell}]")
    if log.recording.facts.get("failed") and not log.complete:
        said.append("failed")
    if dropped := log.dropped:
        why = log.recording.dropped_why
        said.append(f"{size(dropped)} dropped" + (f" ({why})" if why else ""))
    if displays := len(log.outputs):
        said.append(counted(displays, "display"))
    return said


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


def timeline(log: Captured, reading: Reading, width: int = TIMELINE_WIDTH) -> Timeline | None:
    """Return the output over time, in ``width`` stretches; sources without output are left out.

    None of a narrower view, or of a single line.
    """
    lines = reading.lines
    if not reading.whole or len(lines) < 2:
        return None
    start, stop = time_range(lines, log.recording.facts)
    totals = bytes_over_time(lines, start, stop, width)
    most = max((max(total) for total in totals), default=0)
    tracks = [
        Track(source, sum(total), "".join(_bar(count, most) for count in total))
        for source, total in zip(lines.snapshot.sources, totals, strict=True)
        if any(total)
    ]
    longest = silences_of_log(lines, start, stop, 1)
    silence = (longest[0].stop - longest[0].start) / 1e9 if longest else 0.0
    silence_start = (longest[0].start - start) / 1e9 if longest else 0.0
    return Timeline(tracks, local_time(start), (stop - start) / 1e9, silence, silence_start)


def _bar(count: int, most: int) -> str:
    if not count:
        return _SILENT
    # The square root: beside one burst, all else would be flat.
    return _BARS[round((len(_BARS) - 1) * math.sqrt(count / most))]


def excerpt(reading: Reading, head: int, tail: int) -> tuple[list[Row], int, list[Row]]:
    """Return the first lines, how many are left out, and the last lines, for `row_text`."""
    lines, indices = reading.lines, reading.indices
    left_out = len(indices) - head - tail
    if left_out <= 0:
        return list(lines.read(indices, ENDS_BYTES)), 0, []
    first, last = indices[:head], indices[len(indices) - tail :]
    first_rows = list(lines.read(first, ENDS_BYTES))
    return first_rows, left_out, list(lines.read(last, ENDS_BYTES))


def source_mark(source: str) -> str:
    """Return what marks the lines of a source: "" for stdout, "err" for stderr, else its name."""
    if source in ("stdout", "stdout+stderr"):
        return ""
    return "err" if source == "stderr" else source


def short_name(source: str, limit: int) -> str:
    """Return the name of a source, its label cut so that all takes at most ``limit`` characters."""
    name = safe.plain(source)
    if len(name) <= limit:
        return name
    label, slash, stream = name.rpartition("/")
    end = f"…{slash}{stream}" if label else "…"
    return name[: max(0, limit - len(end))] + end


def row_text(reading: Reading, row: Row, max_bytes: int) -> tuple[str, int]:
    r"""Return the text of a line, cut to about ``max_bytes``, and how many bytes were left out.

    Of a long line that was rewritten with ``\r``, the end is what counts. If the middle of the
    line was not read, ``max_bytes`` must be less than what was read of its start and of its end.
    """
    raw = row.raw.removesuffix(b"\n").removesuffix(b"\r")
    cut = len(raw) + row.left_out - max_bytes
    if cut <= 0:
        return reading.decode(raw), 0
    rewritten = raw.find(b"\r", len(raw) - max_bytes)
    if rewritten >= 0:
        return reading.decode(raw[rewritten + 1 :]), 0
    return reading.decode(raw[:max_bytes]), cut
