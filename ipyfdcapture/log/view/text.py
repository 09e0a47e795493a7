"""A log as plain text: a short summary for a terminal."""

from __future__ import annotations

from ..levels import LevelFinder
from ..lines import Row
from ..reading import Reading
from .ansi import plain
from .excerpt import excerpt, row_text
from .marks import SIGNS, levels_of
from .summary import Summary
from .timeline import Timeline
from .words import counted, short_name, size, source_mark

HEAD_LINES = 5
TAIL_LINES = 5
WIDTH = 100
_MAX_NAME = 20


def view(summary: Summary, reading: Reading, timeline: Timeline | None) -> str:
    """Return what a log is, its output over time, and its first and last lines."""
    said = [*summary.phrases(), *levels_of(reading).phrases(), summary.state]
    if summary.narrowed_by or summary.name:
        named = summary.expression if summary.narrowed_by else summary.name
        said.insert(0, plain(named or ""))
    parts = ["captured: " + " · ".join(said)]
    if timeline is not None:
        parts += _timeline(timeline)
    first, left_out, last = excerpt(reading, HEAD_LINES, TAIL_LINES)
    marks = {row.source: _mark(reading.source(row)) for row in (*first, *last)}
    width = max(map(len, marks.values()), default=0)
    levels = LevelFinder(reading.sight)
    digits = len(str(max((row.nth + 1 for row in (*first, *last)), default=0)))

    def shown(row: Row) -> str:
        text, cut = row_text(reading, row, 4 * WIDTH)
        text = plain(text)
        if cut or len(text) > WIDTH:
            text = text[: WIDTH - 1] + "…"
        rule = SIGNS.get(levels.level(row.raw) or "", "│")
        return f"{row.nth + 1:>{digits}} {marks[row.source]:{width}}{rule} {text}"

    parts += [shown(row) for row in first]
    if left_out:
        parts.append(f"{'⋮':>{digits}} {counted(left_out, 'more line')}")
    parts += [shown(row) for row in last]
    return "\n".join(parts)


def _mark(source: str) -> str:
    return short_name(source_mark(source), _MAX_NAME)


def _timeline(timeline: Timeline) -> list[str]:
    tracks = timeline.tracks[:4]
    names = [short_name(track.source, _MAX_NAME) for track in tracks]
    width = max(map(len, names), default=0)
    rows = [
        f"{name:{width}} {track.bars} {size(track.nbytes)}"
        for name, track in zip(names, tracks, strict=True)
    ]
    if len(timeline.tracks) > 4:
        rows.append(f"and {counted(len(timeline.tracks) - 4, 'more source')}")
    return rows
