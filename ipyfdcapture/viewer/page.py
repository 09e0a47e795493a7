"""The saved page: the viewer's front end with the log inside, for somebody without Python.

It works from a file, offline. Its policy allows the one script and the style sheets that are in it,
by their hashes, and nothing else: whatever a log holds, nothing of it runs or loads. Lines lie in
blocks, each compressed on its own, so that the first are seen before the last are read.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import tempfile
import zlib
from array import array
from collections.abc import Iterator, Sequence
from html import escape
from typing import IO

from ..log.levels import CODES, READ_BYTES, LevelCodes
from ..log.lines import content, grouped
from ..log.reading import Reading
from ..log.timing import time_range, total_bytes_over_time
from ..log.view import html
from ..log.view.summary import Summary
from ..log.view.timeline import timeline
from ..log.view.words import counted, size
from ..recording.sources import is_stderr
from .assets import css, page_script
from .finder import TIMELINE_PARTS
from .rows import RowWriter
from .shown import ascending

#: Of a longer log, the page has `ENDS_BYTES` of either end and what is serious between them.
MOST_BYTES = 300_000_000
ENDS_BYTES = 100_000_000
#: A line is cut to so many bytes.
MOST_LINE_BYTES = 100_000
#: A block ends after so many lines or bytes, or a few more.
BLOCK_LINES = 8192
BLOCK_BYTES = 1 << 20
#: So many serious lines between the ends, at most.
MOST_SERIOUS = 500_000
#: Compressed blocks are kept in memory up to so much, then in a file.
_SPOOL_BYTES = 32 << 20
_STYLE = re.compile("<style>(.*?)</style>", re.DOTALL)
_PAGE_CSS = """
html { color-scheme: light dark; }
body { margin: 1em; }
.fdv-alive > .fdv-static { display: none; }
@media screen {
body.fdv-alive, .fdv-alive > .fdv { display: flex; flex-direction: column; }
body.fdv-alive { height: calc(100vh - 2em); }
.fdv-alive > .fdv { flex: 1; min-height: 28em; }
.fdv-alive .fdv-main { flex: 1; min-height: 0; }
.fdv-alive .fdv-grid { height: auto !important; }
}
.fdv-limit { margin: 0 0 0.5em; font: bold 13px system-ui, sans-serif; }
@media print {
.fdv-alive > .fdv-static { display: block; }
}
"""


def page(summary: Summary, reading: Reading) -> Iterator[str]:
    """Yield a log as a page that searches and filters by itself.

    Parameters
    ----------
    summary
        What is said of the log on top.
    reading
        The log, or a narrower view of it.
    """
    numbers, notes = _chosen(reading)
    static = html.view(summary, reading, timeline(reading))
    sheets = [_STYLE.findall(static)[0], css() + _PAGE_CSS]
    script = page_script()
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spool:
        index, blocks, cut = _pack(reading, numbers, spool)
        if cut:
            notes.append(f"{counted(cut, 'line')} cut to {MOST_LINE_BYTES:,} bytes.")
        meta = _meta(summary, reading, len(numbers), [lines for lines, _ in blocks])
        yield _head(summary, sheets, script)
        if notes:
            yield f'<p class="fdv-limit">{escape(" ".join(notes))}</p>'
        yield f'<div id="fdv"></div><div class="fdv-static">{static}</div>'
        yield _data("fdv-meta", "application/json", meta.replace("<", "\\u003c"))
        yield _data("fdv-index", "text/plain", index)
        spool.seek(0)
        for number, (_, length) in enumerate(blocks):
            yield _data(f"fdv-{number}", "text/plain", spool.read(length).decode())
            if not number:
                yield f"<script>{script}</script>"
        if not blocks:
            yield f"<script>{script}</script>"
    yield "</body></html>\n"


def _head(summary: Summary, sheets: list[str], script: str) -> str:
    title = escape("Captured log: " + ", ".join(summary.phrases()))
    styles = " ".join(map(_hash, sheets))
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {styles}; "
        "style-src-attr 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<title>{title}</title><style>{sheets[1]}</style></head><body class="fdlog-page">'
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data(name: str, kind: str, text: str) -> str:
    """Return an element that holds data; its type is none that a browser would run."""
    return f'<script type="{kind}" id="{name}">{text}</script>\n'


def _meta(summary: Summary, reading: Reading, lines: int, blocks: list[int]) -> str:
    start, stop = time_range(reading)
    return json.dumps(
        {
            "lines": lines,
            "blocks": blocks,
            "sources": [[name, is_stderr(name)] for name in reading.sources],
            "started": reading.started / 1e6,
            "phrases": summary.phrases(),
            "state": summary.state,
            "timeline": {
                "start": (start - reading.started) / 1e9,
                "seconds": (stop - start) / 1e9,
                "bytes": total_bytes_over_time(reading.lines, start, stop, TIMELINE_PARTS),
            },
        }
    )


def _pack(
    reading: Reading, numbers: Sequence[int], spool: IO[bytes]
) -> tuple[str, list[tuple[int, int]], int]:
    """Write the blocks, compressed, to ``spool``.

    Returns what is known of every line, compressed; of each block its lines and its length in
    ``spool``; and how many lines are cut.
    """
    times, found, owners, levels = array("d"), array("I"), array("H"), bytearray()
    blocks: list[tuple[int, int]] = []
    parts: list[str] = []  # JSON of the lines of a block
    cut: dict[int, int] = {}  # how many bytes are left out of which of them
    count = nbytes = all_cut = 0

    def end_block() -> None:
        text = f'{{"rows":[{",".join(parts)}],"cut":{json.dumps(cut)}}}'
        blocks.append((count, spool.write(_packed(text.encode()))))

    for rows in RowWriter(reading).columns(numbers, MOST_LINE_BYTES):
        times.extend(rows.times)
        found.extend(rows.numbers)
        owners.extend([min(source, 0xFFFF) for source in rows.sources])
        levels += rows.levels
        left_out = {count + i: -nbytes for i, nbytes in enumerate(rows.left_out) if nbytes}
        cut |= left_out
        all_cut += len(left_out)
        parts.append(json.dumps(rows.contents, ensure_ascii=False, separators=(",", ":"))[1:-1])
        count += len(rows.contents)
        nbytes += len(parts[-1])
        if count >= BLOCK_LINES or nbytes >= BLOCK_BYTES:
            end_block()
            parts, cut, count, nbytes = [], {}, 0, 0
    if parts:
        end_block()
    columns: tuple[array[float] | array[int], ...] = (times, found, owners)
    if sys.byteorder == "big":
        for column in columns:
            column.byteswap()
    index = b"".join(column.tobytes() for column in columns) + bytes(levels)
    return _packed(index).decode(), blocks, all_cut


def _packed(data: bytes) -> bytes:
    return base64.b64encode(zlib.compress(data))


def _chosen(reading: Reading) -> tuple[Sequence[int], list[str]]:
    """Return the lines that the page has, and what is to be said of those that it has not."""
    numbers = ascending(reading.indices)
    lines = reading.lines
    nbytes = len(lines.snapshot)
    if nbytes <= MOST_BYTES:
        return numbers, []
    if reading.whole:
        head = lines.started_before(ENDS_BYTES)
        tail = lines.started_before(nbytes - ENDS_BYTES)
    else:
        nbytes = sum(len(row.raw) for row in reading.rows())
        if nbytes <= MOST_BYTES:
            return numbers, []
        share = len(numbers) * ENDS_BYTES // nbytes
        head, tail = share, len(numbers) - share
    serious = _serious(reading, numbers[head:tail])
    chosen = array("I", numbers[:head])
    chosen.extend(serious)
    chosen.extend(array("I", numbers[tail:]))
    left_out = tail - head - len(serious)
    note = (
        f"The log has {size(nbytes)}. This page has its first {counted(head, 'line')} and its last "
        f"{counted(len(numbers) - tail, 'line')}; of those between them it has the "
        f"{len(serious):,} that say to be warnings or worse, and leaves "
        f"{counted(left_out, 'line')} out."
    )
    return chosen, [note]


def _serious(reading: Reading, numbers: Sequence[int]) -> array[int]:
    found = array("I")
    codes = LevelCodes(reading.sight)
    least = CODES["warning"]
    for rows in grouped(reading.lines.read(numbers, READ_BYTES)):
        levels = codes.of_lines([content(row.raw) for row in rows])
        found.extend(row.nth for row, code in zip(rows, levels, strict=True) if code >= least)
        if len(found) >= MOST_SERIOUS:
            break
    return found[:MOST_SERIOUS]
