"""Logs that were saved as ``.jsonl`` or ``.parquet``, read again: lines with times and sources."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

from .unpacking import DamagedFileError

#: The columns that a reader needs, of those that `Captured.save` writes.
COLUMNS = ("time", "source", "number", "text")
_EPOCH = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
_MICROSECOND = datetime.timedelta(microseconds=1)


class SavedLine(NamedTuple):
    """One line of a saved log."""

    text: str
    source: str
    #: In ns since the epoch.
    time: int


def is_saved_jsonl(head: bytes) -> bool:
    """Whether a file begins as a log that was saved as ``.jsonl``."""
    return _parsed(head.split(b"\n", 1)[0]) is not None


def is_parquet(head: bytes) -> bool:
    """Whether a file begins as a Parquet file."""
    return head.startswith(b"PAR1")


def read_jsonl(parts: Iterable[bytes]) -> Iterator[SavedLine]:
    """Yield the lines of a ``.jsonl`` file, which comes in parts.

    Raises `DamagedFileError` at the first line that is none.
    """
    rest = b""
    number = 0
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            number += 1
            yield _checked(line, number)
    if rest:
        yield _checked(rest, number + 1)


def _checked(line: bytes, number: int) -> SavedLine:
    saved = _parsed(line)
    if saved is None:
        raise DamagedFileError(f"line {number:,} is cut or damaged")
    return saved


def _parsed(line: bytes) -> SavedLine | None:
    try:
        entry: Any = json.loads(line)
        time = datetime.datetime.fromisoformat(entry["time"])
        text, source = entry["text"], entry["source"]
        nanoseconds = (time - _EPOCH) // _MICROSECOND * 1000
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(text, str) or not isinstance(source, str) or nanoseconds < 0:
        return None
    return SavedLine(text, source, nanoseconds)


def read_parquet(path: str) -> Iterator[SavedLine]:
    """Yield the lines of a ``.parquet`` file.

    Raises
    ------
    ImportError
        If pyarrow is missing.
    DamagedFileError
        If it cannot be read, or was not written by `Captured.save`.
    """
    try:
        parquet, pa = import_module("pyarrow.parquet"), import_module("pyarrow")
    except ImportError as error:
        raise ImportError(
            'this needs pyarrow: pip install "ipyfdcapture[arrow]"', name="pyarrow"
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            if not set(COLUMNS) <= set(file.schema_arrow.names):
                raise DamagedFileError(f"its columns are not those of a log: {', '.join(COLUMNS)}")
            for batch in file.iter_batches(columns=list(COLUMNS)):
                columns = [batch.column(name) for name in ("text", "source", "time")]
                columns[2] = columns[2].cast(pa.int64())
                rows = zip(*(column.to_pylist() for column in columns), strict=True)
                yield from (SavedLine(str(text), str(source), time) for text, source, time in rows)
    except pa.ArrowException as error:
        said = str(error).splitlines()[0]
        raise DamagedFileError(f"it cannot be read as Parquet ({said})") from None
