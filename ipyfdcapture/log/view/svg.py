"""A log as a picture for a paper: its first and last lines, with colours, on white."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from ..reading import Reading
from . import ansi as safe
from .excerpt import excerpt, row_text
from .summary import Summary
from .words import counted

#: So many lines are shown from the start and from the end, and so many characters of each.
HEAD_LINES = 20
TAIL_LINES = 40
COLUMNS = 120
_FONT_PX = 12
_CHARACTER_PX = 7.25
_LINE_PX = 16
_MARGIN_PX = 12
#: The named colours, dark enough to be read on white.
_COLOURS = ("#333", "#b3261e", "#1a6e2e", "#7d5500", "#1b57b8", "#8e2a94", "#0b6670", "#555")


def picture(summary: Summary, reading: Reading) -> Iterator[str]:
    """Yield an SVG document: text, which can be searched and selected, and no script."""
    first, left_out, last = excerpt(reading, HEAD_LINES, TAIL_LINES)
    styles: dict[int, safe.Style] = {}
    lines: list[list[safe.Run]] = []
    for i, row in enumerate([*first, *last]):
        if left_out and i == len(first):
            lines.append([(f"⋮ {counted(left_out, 'more line')}", safe.Style(italic=True))])
        text, cut = row_text(reading, row, 8 * COLUMNS)
        runs, styles[row.source] = safe.runs_of(text, styles.get(row.source, safe.PLAIN))
        runs = [(part.expandtabs(8), style) for part, style in runs]
        if cut or sum(len(part) for part, _ in runs) > COLUMNS:
            runs = [*safe.cut(runs, 0, COLUMNS - 1), ("…", safe.PLAIN)]
        lines.append(runs)
    longest = max((sum(len(part) for part, _ in runs) for runs in lines), default=1)
    width = round(2 * _MARGIN_PX + longest * _CHARACTER_PX)
    height = 2 * _MARGIN_PX + _LINE_PX * max(len(lines), 1)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" xml:space="preserve">'
        f"<title>{escape(_xml(', '.join(summary.phrases())))}</title>"
        f'<rect width="100%" height="100%" fill="#fff"/>'
        f'<g font-family="ui-monospace,Menlo,Consolas,monospace" font-size="{_FONT_PX}" '
        'fill="#222">\n'
    )
    for i, runs in enumerate(lines):
        y = _MARGIN_PX + _LINE_PX * i + _FONT_PX
        spans = "".join(_span(text, style) for text, style in runs)
        yield f'<text x="{_MARGIN_PX}" y="{y}" style="white-space:pre">{spans}</text>\n'
    yield "</g></svg>\n"


def _span(text: str, style: safe.Style) -> str:
    looks = []
    colour = style.bg if style.inverse else style.fg
    if colour is not None:
        looks.append(f'fill="{_COLOURS[colour % 8] if isinstance(colour, int) else colour}"')
    if style.bold:
        looks.append('font-weight="bold"')
    if style.italic:
        looks.append('font-style="italic"')
    decorations = [
        name
        for name, wanted in (("underline", style.underline), ("line-through", style.strike))
        if wanted
    ]
    if decorations:
        looks.append(f'text-decoration="{" ".join(decorations)}"')
    html = escape(_xml(text))
    return f"<tspan {' '.join(looks)}>{html}</tspan>" if looks else f"<tspan>{html}</tspan>"


def _xml(text: str) -> str:
    """Return text without what XML cannot hold."""
    return "".join(" " if ord(c) < 32 or c in "\ufffe\uffff" else c for c in text)
