"""A log as HTML: static, without script, bounded in size, readable even without its style.

Notebook front ends differ in what they leave of it. JupyterLab, in a notebook that is not
trusted, drops the style sheet and keeps simple inline styles; GitHub drops both. So the structure
alone tells everything: sources are marked in words, the timeline is text, and colours of the log
are inline, in tones that can be read on light and on dark, which the style sheet then improves.
nbconvert's sanitizer shows tags that it does not know as text, ``<table>``'s parts and ``<mark>``
among them: the lines of a log have none of these.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from html import escape
from itertools import repeat

from ...recording.sources import is_stderr
from ..levels import CODES, LevelCodes
from ..lines import Row, content
from ..reading import Block, Reading
from ..search import Pattern
from . import ansi as safe
from .excerpt import ENDS_BYTES, excerpt, row_text
from .marks import SIGNS, Levels, levels_of, spans
from .style_sheet import style_sheet
from .summary import Summary
from .timeline import Timeline, timeline
from .words import counted, short_name, size, source_mark, time_span

HEAD_LINES = 10
TAIL_LINES = 20
#: So many lines are shown after the first error, if it is not among those.
AFTER_ERROR = 3
#: The view of any log is at most this long.
MAX_BYTES = 200_000
#: What one line may take of that, markup included.
MAX_LINE_BYTES = 5_000
#: A line longer than this is folded.
FOLD_CHARACTERS = 300
_MAX_TRACKS = 8
_MAX_NAME = 40

_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
#: Tones with a contrast of at least 4:1 on white and on JupyterLab's dark background.
_INLINE = ("#777", "#d9363e", "#2e8540", "#97700b", "#3a75d1", "#b14bb5", "#16838c", "#777")


def view(summary: Summary, reading: Reading, timeline: Timeline | None) -> str:
    """Return the rich view of a log."""
    first, left_out, last = excerpt(reading, HEAD_LINES, TAIL_LINES)
    levels = levels_of(reading)
    parts = [_opening(), _top(summary, timeline, levels)]
    if first:
        writer = _LineWriter(reading, [*first, *last][-1].nth + 1, summary.marks)
        parts += [_switches(summary), _PRE]
        parts += [writer.line(row, MAX_LINE_BYTES) for row in first]
        if left_out:
            parts += _middle(summary, reading, writer, levels)
        parts += [writer.line(row, MAX_LINE_BYTES) for row in last]
        parts.append("</code></pre>")
    parts.append("</div>")
    return "".join(parts)


def _middle(
    summary: Summary, reading: Reading, writer: _LineWriter, levels: Levels
) -> Iterator[str]:
    """Yield what stands for the lines that are left out: the first error among them is shown."""
    start, stop = HEAD_LINES, len(reading.indices) - TAIL_LINES
    error = levels.first_error
    if error is not None and start <= error < stop:
        shown = range(max(start, error - 1), min(stop, error + 1 + AFTER_ERROR))
        yield _left_out(summary, start, shown.start)
        indices = reading.indices[shown.start : shown.stop]
        for row in reading.lines.read(indices, ENDS_BYTES):
            yield writer.line(row, MAX_LINE_BYTES)
        start = shown.stop
    yield _left_out(summary, start, stop)


def _left_out(summary: Summary, start: int, stop: int) -> str:
    if start >= stop:
        return ""
    call = escape(f"{summary.expression}[{start}:{stop}]")
    more = counted(stop - start, "more line")
    return f'<span class="fdlog-more">⋮ {more}: {call}</span>\n'


def page(summary: Summary, reading: Reading) -> Iterator[str]:
    """Yield a whole log as one HTML document."""
    title = escape("Captured log: " + ", ".join(summary.phrases()))
    yield (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f'<title>{title}</title></head><body class="fdlog-page">'
    )
    top = _top(summary, timeline(reading), levels_of(reading))
    yield _opening() + top + _switches(summary) + _PRE
    writer = _LineWriter(reading, len(reading.lines), summary.marks)
    for block in reading.blocks():
        yield writer.lines(block)
    yield "</code></pre></div></body></html>\n"


def _opening() -> str:
    style = style_sheet("style.css")
    # Where a style sheet is shown as text (GitHub's Markdown), a comment is not.
    return (
        f'<div class="fdlog" role="group" aria-label="captured log"><style><!--\n{style}--></style>'
    )


def _top(summary: Summary, timeline: Timeline | None, levels: Levels) -> str:
    header = _header(summary, levels)
    return header if timeline is None else header + _timeline(timeline)


def _header(summary: Summary, levels: Levels) -> str:
    phrases = [escape(phrase) for phrase in summary.phrases()]
    phrases += [f"<b>{escape(phrase)}</b>" for phrase in levels.phrases()]
    said = " · ".join(phrases)
    named = ""
    if summary.narrowed_by:
        named = f"<code>{_short(summary.expression, 200)}</code> · "
    elif summary.name:
        named = f"<code>{_short(summary.name, 100)}</code> · "
    code = (
        f"<div><code>{_short(summary.first_line, 100)}</code></div>" if summary.first_line else ""
    )
    return (
        f'<div class="fdlog-head"><b>Captured</b> {named}{said} · '
        f'<b class="fdlog-{summary.state.split()[-1]}">{summary.state}</b>{code}</div>'
    )


def _timeline(timeline: Timeline) -> str:
    tracks = timeline.tracks[:_MAX_TRACKS]
    names = [short_name(track.source, _MAX_NAME) for track in tracks]
    sizes = [size(track.nbytes) for track in tracks]
    names_width, sizes_width = max(map(len, names)), max(map(len, sizes))
    # The bars come last: in a narrow window their end is out of sight, and nothing else. The spaces
    # stay where a style sheet is taken away.
    rows = "".join(
        f"<div><code>{_kept(f'{name:{names_width}}  {nbytes:>{sizes_width}}')} "
        f'<span aria-hidden="true">{track.bars}</span></code></div>'
        for name, nbytes, track in zip(names, sizes, tracks, strict=True)
    )
    more = len(timeline.tracks) - _MAX_TRACKS
    started = timeline.started.strftime("%Y-%m-%d %H:%M:%S")
    said = f"Output over {time_span(timeline.seconds)} from {started}"
    if timeline.silence > 0:
        said += (
            f"; longest silence {time_span(timeline.silence)}"
            f", {time_span(timeline.silence_start)} after the start"
        )
    if more > 0:
        said += f"; {counted(more, 'more source')} not shown"
    return f'<div class="fdlog-time">{rows}</div><div class="fdlog-said">{said}</div>'


def _kept(text: str) -> str:
    """Return text as HTML whose spaces are not taken together."""
    return escape(text).replace(" ", "\u00a0")


#: Front ends have rules of their own for the font of a ``<pre>`` (nbconvert: that of the text), and
#: a sanitized page keeps no style: ``<code>`` is set in one width everywhere.
_PRE = '<pre style="font-family:monospace"><code>'


def _switches(summary: Summary) -> str:
    numbers = " open" if summary.narrowed_by else ""  # they are not those of the eye then
    return (
        f'<details class="fdlog-numbers"{numbers}><summary>line numbers</summary></details>'
        '<details class="fdlog-times"><summary>times</summary></details>'
    )


class _LineWriter:
    """Writes lines as HTML; colours go on from line to line, for each source."""

    def __init__(self, reading: Reading, most: int, patterns: tuple[Pattern, ...]) -> None:
        self._reading = reading
        self._patterns = patterns
        self._started = reading.started
        self._width = f"{len(f'{most:,}')},"
        self._styles: dict[int, safe.Style] = {}
        self._head = functools.cache(
            lambda source, code: f"{_mark_of(reading.sources[source])}{_RULES[code]}{_ISOLATED}"
        )
        self._levels = LevelCodes(reading.sight)

    def lines(self, block: Block) -> str:
        """Return lines of a ``<pre>``, all of each: at once if they are plain text."""
        texts = block.texts
        body = escape("\n".join(texts)).replace("\n", "</span>\n")
        contents = f"{body}</span>".split("\n")
        if not (
            safe.are_plain(texts)
            and not self._patterns
            and all(style == safe.PLAIN for style in self._styles.values())
            and max(map(len, texts)) <= FOLD_CHARACTERS
            and len(contents) == len(texts)
        ):
            facts = zip(block.indices, block.contents, block.sources, block.times, strict=True)
            return "".join([self.line(Row(*each), None) for each in facts])
        codes = self._levels.of_body(block.body)
        return "".join(self._html(block.indices, block.sources, block.times, codes, contents))

    def line(self, row: Row, max_bytes: int | None) -> str:
        """Return one line of a ``<pre>``, cut so that it takes at most ``max_bytes``."""
        before = self._styles.get(row.source, safe.PLAIN)
        limit = len(row.raw) if max_bytes is None else max_bytes
        (code,) = self._levels.of_lines([content(row.raw)])
        while True:
            text, cut = row_text(self._reading, row, limit)
            runs, after = safe.runs_of(text, before)
            shown = _folded(runs, cut, self._patterns)
            (line,) = self._html((row.nth,), (row.source,), (row.time,), (code,), (shown,))
            if max_bytes is None or len(line.encode()) <= max_bytes:
                break
            limit = min(limit, len(row.raw)) // 2
        self._styles[row.source] = after
        return line

    def _html(
        self,
        indices: Iterable[int],
        sources: Iterable[int],
        times: Iterable[int],
        codes: Iterable[int],
        contents: Iterable[str],
    ) -> Iterator[str]:
        """Yield lines with their number, time, source, and a rule or the sign of their level.

        Parameters
        ----------
        indices, sources, times, codes, contents
            Of each line its index, the number of its source, its time, the code of its level, and
            its content as HTML that goes on after `_ISOLATED`.
        """
        numbers = map(format, map((1).__add__, indices), repeat(self._width))
        heads = map(self._head, sources, codes)
        known, written = -1, ""  # many lines have the time of the one before
        for number, time, head, shown in zip(numbers, times, heads, contents, strict=True):
            if time != known:
                known, written = time, f"{(time - self._started) / 1e9:+9.3f}"
            yield (
                f'<span class="fdlog-l"><span class="fdlog-n">{number} </span>'
                f'<span class="fdlog-t">{written} s </span>{head}{shown}\n</span>'
            )


#: What begins a text whose direction does not depend on what stands beside it.
_ISOLATED = '<span dir="ltr">'


def _mark_of(source: str) -> str:
    """Return what stands for a source, up to the rule."""
    mark = escape(short_name(source_mark(source), _MAX_NAME))
    return f'<span class="fdlog-src {"fdlog-err" if is_stderr(source) else "fdlog-out"}">{mark:3}'


def _rule_of(level: str | None) -> str:
    """Return what stands between a source and its line: a rule, or the sign of a level."""
    if level not in SIGNS:
        return "│ </span>"
    return f'</span><span class="fdlog-{level}" title="{level}">{SIGNS[level]} </span>'


#: The same by the code of a level.
_RULES = {code: _rule_of(level) for level, code in CODES.items()}


def _folded(runs: list[safe.Run], cut: int, patterns: tuple[Pattern, ...]) -> str:
    """Return runs as HTML: the start, and what follows it, if it is long, folded."""
    length = sum(len(text) for text, _ in runs)
    if length <= FOLD_CHARACTERS and not cut:
        return _html(runs, patterns)
    more = f"{length - FOLD_CHARACTERS:,} more characters" if length > FOLD_CHARACTERS else ""
    missing = f"… {cut:,} more bytes" if cut else ""
    start = _html(safe.cut(runs, 0, FOLD_CHARACTERS), patterns)
    if not more:
        return f'{start}<span class="fdlog-more">{missing}</span>'
    rest = _html(safe.cut(runs, FOLD_CHARACTERS, length))
    return (
        f'{start}<details class="fdlog-fold"><summary>… {more}</summary>{_ISOLATED}{rest}'
        f'<span class="fdlog-more">{missing}</span></details>'
    )


def _html(runs: list[safe.Run], patterns: tuple[Pattern, ...] = ()) -> str:
    """Return runs as HTML that goes on after `_ISOLATED`, and ends it."""
    parts = []
    at = 0
    text = "".join(part for part, _ in runs) if patterns else ""
    for start, stop in spans(text, patterns):
        parts.append(_runs_html(safe.cut(runs, at, start)))
        parts.append(f'<b class="fdlog-match">{_runs_html(safe.cut(runs, start, stop))}</b>')
        at = stop
    parts.append(_runs_html(safe.cut(runs, at, len(text)) if at else runs))
    return f"{''.join(parts)}</span>"


def _runs_html(runs: list[safe.Run]) -> str:
    return "".join(_run_html(*run) for run in runs)


def _run_html(text: str, style: safe.Style) -> str:
    html = escape(text)
    for tag, wanted in (
        ("s", style.strike),
        ("u", style.underline),
        ("i", style.italic),
        ("b", style.bold),
    ):
        if wanted:
            html = f"<{tag}>{html}</{tag}>"
    names, inline = _looks(style)
    attributes = f' class="{" ".join(names)}"' if names else ""
    attributes += f' style="{";".join(inline)}"' if inline else ""
    return f"<span{attributes}>{html}</span>" if attributes else html


def _looks(style: safe.Style) -> tuple[list[str], list[str]]:
    """Return class names and inline declarations for the colours of a style."""
    fg, bg = (style.bg, style.fg) if style.inverse else (style.fg, style.bg)
    names, inline = [], []
    if style.dim:
        names.append("ansi-dim")
    if style.inverse and bg is None:
        names.append("ansi-inverse")
        inline.append("background-color:#666")
    elif bg is not None:
        inline.append(f"background-color:{_inline_colour(bg)}")
    if bg is not None and fg is None:
        inline.append(f"color:{_readable_on(bg)}")
    elif style.inverse and fg is None:
        inline.append("color:#fff")
    elif fg is not None:
        inline.append(f"color:{_inline_colour(fg)}")
        if isinstance(fg, int) and bg is None and not style.inverse:
            names.append(f"ansi-{_COLOURS[fg % 8]}{'-intense' if fg >= 8 else ''}-fg")
    return names, inline


def _inline_colour(colour: safe.Colour) -> str:
    return _INLINE[colour % 8] if isinstance(colour, int) else colour


def _readable_on(colour: safe.Colour) -> str:
    """Return black or white, whichever can be read better on a colour."""
    if isinstance(colour, int):
        return "#fff"
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return "#000" if luminance > 0.18 else "#fff"


def _short(text: str, limit: int) -> str:
    text = safe.plain(" ".join(text.split("\n")))
    return escape(text if len(text) <= limit else text[: limit - 1] + "…")
