"""A log as plain text: a short summary for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..decoding import Reading
from ..lines import Row
from . import ansi as safe
from . import summary as facts

if TYPE_CHECKING:
    from ..captured import Captured

HEAD_LINES = 5
TAIL_LINES = 5
WIDTH = 100
_MAX_NAME = 20


def summary(log: Captured, reading: Reading, timeline: facts.Timeline | None) -> str:
    """Return what a log is, its output over time, and its first and last lines."""
    said = [*facts.phrases(log, reading), facts.state(log)]
    parts = ["captured: " + " · ".join(said)]
    if timeline is not None:
        parts += _timeline(timeline)
    first, left_out, last = facts.excerpt(reading, HEAD_LINES, TAIL_LINES)
    marks = {row.source: _mark(reading.source(row)) for row in (*first, *last)}
    width = max(map(len, marks.values()), default=0)
    digits = len(str(max((row.nth + 1 for row in (*first, *last)), default=0)))

    def shown(row: Row) -> str:
        text, cut = facts.row_text(reading, row, 4 * WIDTH)
        text = safe.plain(text)
        if cut or len(text) > WIDTH:
            text = text[: WIDTH - 1] + "…"
        return f"{row.nth + 1:>{digits}} {marks[row.source]:{width}}│ {text}"

    parts += [shown(row) for row in first]
    if left_out:
        parts.append(f"{'⋮':>{digits}} {facts.counted(left_out, 'more line')}")
    parts += [shown(row) for row in last]
    return "\n".join(parts)


def _mark(source: str) -> str:
    return facts.short_name(facts.source_mark(source), _MAX_NAME)


def _timeline(timeline: facts.Timeline) -> list[str]:
    tracks = timeline.tracks[:4]
    names = [facts.short_name(track.source, _MAX_NAME) for track in tracks]
    width = max(map(len, names), default=0)
    rows = [
        f"{name:{width}} {track.bars} {facts.size(track.nbytes)}"
        for name, track in zip(names, tracks, strict=True)
    ]
    if len(timeline.tracks) > 4:
        rows.append(f"and {facts.counted(len(timeline.tracks) - 4, 'more source')}")
    return rows
