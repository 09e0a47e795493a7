"""Logs made from memory, and a plain model of what a log is, to hold the real one against."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from ipyfdcapture.log.captured import Captured
from ipyfdcapture.log.view import ansi
from ipyfdcapture.recording import spool
from ipyfdcapture.recording.copying import record_bytes
from ipyfdcapture.recording.metadata import Metadata

#: When the logs made here start: 2026-01-02 03:04:05.678901234 UTC, in ns since the epoch.
STARTED = 1_767_323_045_678_901_234
SECOND = 1_000_000_000
SOURCES = ["stdout", "stderr", "solver/stderr"]

Chunk = tuple[int, bytes]


def make_log(chunks: list[Chunk], **metadata: Any) -> Captured:
    """Return a complete log of chunks (source number, bytes), read one second after another."""
    times = (STARTED + i * SECOND for i in range(len(chunks)))
    return make_log_at(
        [(source, chunk, time) for (source, chunk), time in zip(chunks, times, strict=False)],
        **metadata,
    )


def make_log_at(chunks: list[tuple[int, bytes, int]], **metadata: Any) -> Captured:
    """Return a complete log of chunks (source number, bytes, time in ns since the epoch)."""
    known: dict[str, Any] = {
        "started": STARTED,
        "stopped": STARTED + max(1, len(chunks)) * SECOND,
        "sources": tuple(SOURCES),
    }
    return Captured(record_bytes(spool.directory(), chunks, Metadata(**(known | metadata))))


@dataclass
class ModelLine:
    """A line of the model."""

    source: str
    time: int
    raw: bytes = b""

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    @property
    def content(self) -> bytes:
        return self.raw[:-2] if self.raw.endswith(b"\r\n") else self.raw.removesuffix(b"\n")


def model_lines(chunks: list[Chunk]) -> list[ModelLine]:
    """Put lines together byte by byte."""
    lines: list[ModelLine] = []
    open_lines: dict[int, ModelLine] = {}
    for i, (source, chunk) in enumerate(chunks):
        for value in chunk:
            if source not in open_lines:
                open_lines[source] = ModelLine(SOURCES[source], STARTED + i * SECOND)
                lines.append(open_lines[source])
            open_lines[source].raw += bytes([value])
            if value == 0x0A:
                del open_lines[source]
    return lines


def model_plain(text: str) -> str:
    """Draw one line, a token at a time, as a row of a terminal."""
    row = ansi.Row()
    for token in ansi._TOKEN.finditer(text):
        part = token.group()
        if part in ("\r", "\b") or ansi._CURSOR.fullmatch(part):
            row.obey(part)
        elif token.lastgroup == "text":
            row.write(part)
        elif token.lastgroup == "hidden":
            row.write(ansi.visible(part) if part == "\x1b" or "\x80" <= part <= "\x9f" else part)
    return row.text


def model_text(chunks: list[Chunk], encoding: str = "utf-8", only: int | None = None) -> str:
    """Decode byte by byte, each source on its own; order by the last byte of each character."""
    decoders = {source: codecs.getincrementaldecoder(encoding)("replace") for source, _ in chunks}
    text = ""
    for source, chunk in chunks:
        if only is None or source == only:
            for value in chunk:
                text += decoders[source].decode(bytes([value]))
    for source, decoder in decoders.items():
        if only is None or source == only:
            text += decoder.decode(b"", final=True)
    return text


def model_joined(lines: list[ModelLine]) -> bytes:
    """Return what a narrower view holds: each line ended, except perhaps the last."""
    ended = [line.raw if line.raw.endswith(b"\n") else line.raw + b"\n" for line in lines[:-1]]
    return b"".join(ended) + (lines[-1].raw if lines else b"")


_BITS = [
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"a",
    b"B",
    b" ",
    b"ab",
    b"\xff",
    b"\xe2",
    b"\x82\xac",
    b"\x1b",
    b"\b",
    b"\x1b[31m",
    b"\x1b[K",
    b"\x1b[1K",
    b"\x1b[2K",
    "\x85".encode(),
]
_BYTES = st.lists(st.sampled_from([*_BITS, "€é\u202e".encode()]), max_size=12).map(b"".join)
#: Chunks of three sources: line ends, cut characters and bad bytes at any place.
chunks = st.lists(
    st.tuples(st.integers(0, 2), _BYTES | st.binary(max_size=12)).filter(lambda chunk: chunk[1]),
    max_size=12,
)
