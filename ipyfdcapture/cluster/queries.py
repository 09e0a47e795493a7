"""Questions that a worker answers about its log, so that the log need not be fetched for them."""

from __future__ import annotations

import re
from typing import Any

from ..log.captured import Captured
from .protocol import CHUNK, Answer, Request

#: An answer has no more text than this; what is left out is counted.
MAX_ANSWER_BYTES = 1 << 20


def answer(log: Captured, request: Request) -> Answer:
    """Answer a question about a log: ``len``, ``levels``, ``grep`` or ``tail``."""
    what = request["what"]
    if what == "len":
        return {"count": len(log)}
    if what == "levels":
        return {"levels": log.levels()}
    if what == "grep":
        return _lines_of(log.grep(**_pattern_of(request)))
    if what == "tail":
        return _lines_of(log.tail(request["n"]))
    raise ValueError(f"no such question: {what!r}")


def _pattern_of(request: Request) -> dict[str, Any]:
    pattern, flags = request.get("pattern"), request.get("flags")
    return {
        "pattern": pattern if flags is None else re.compile(pattern, flags),
        "ignore_case": request.get("ignore_case", False),
        "level": request.get("level"),
    }


def _lines_of(found: Captured) -> Answer:
    """Return lines as the answer to ``read`` has chunks, each with its line end."""
    reading = found._read()
    entries, parts, length, count = bytearray(), [], 0, 0
    for row in reading.rows():
        data = row.raw if row.raw.endswith(b"\n") else row.raw + b"\n"
        length += len(data)
        if length > MAX_ANSWER_BYTES:
            break
        entries += CHUNK.pack(row.time, len(data), row.source)
        parts.append(data)
        count += 1
    return {
        "chunks": bytes(entries),
        "data": b"".join(parts),
        "sources": list(reading.sources),
        "left_out": len(found) - count,
    }
