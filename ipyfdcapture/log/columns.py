"""A table found in a log: its columns, numbers where they are numbers, and as a frame."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NamedTuple

from .moments import local_time

#: What `frame` makes, in the order in which it looks for libraries.
KINDS = ("pandas", "polars", "arrow", "dicts")
_INT = re.compile(r"[+-]?\d+")
_FLOAT = re.compile(
    r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?|[+-]?(?:inf|infinity|nan)", re.IGNORECASE
)
_INT64 = range(-(1 << 63), 1 << 63)

Value = str | int | float | None


class Origin(NamedTuple):
    """Where a row comes from."""

    #: The number of its line, counted from 1.
    number: int
    #: The time of that: ns since the epoch.
    time: int
    #: The name of its source.
    source: str


@dataclass
class Table:
    """Rows found in a log."""

    #: Who writes such tables, or "".
    name: str = ""
    origins: list[Origin] = field(default_factory=list)
    columns: dict[str, list[Value]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.origins)

    def add(self, origin: Origin, cells: Mapping[str, Value]) -> None:
        """Append a row; it may lack columns, and bring new ones."""
        for name in cells:
            if name not in self.columns:
                self.columns[name] = [None] * len(self)
        self.origins.append(origin)
        for name, column in self.columns.items():
            column.append(cells.get(name))

    def own_names(self) -> list[str]:
        """Return how the columns ``number``, ``time`` and ``source`` are called here.

        A column of the log that has such a name keeps it, and ours gets a prefix.
        """
        return [f"log_{name}" if name in self.columns else name for name in Origin._fields]


def as_numbers(texts: Sequence[Value]) -> list[Value]:
    """Return a column as ints or floats if all of it is numbers, else as it is.

    None, for a cell that is missing, stays.
    """
    present = [text for text in texts if text is not None]
    if not present or not all(isinstance(text, str) for text in present):
        return list(texts)
    if all(_INT.fullmatch(str(text)) for text in present):
        numbers = [None if text is None else _whole(str(text)) for text in texts]
        if all(number is None or number in _INT64 for number in numbers):
            return list(numbers)
        return list(texts)
    if all(_FLOAT.fullmatch(str(text)) for text in present):
        return [None if text is None else _float(str(text)) for text in texts]
    return list(texts)


def _whole(text: str) -> int:
    # Python refuses to read thousands of digits; those are no number here either.
    return int(text) if len(text) <= 30 else 1 << 64


def _float(text: str) -> float:
    return float(text.translate({ord("d"): "e", ord("D"): "e"}))  # as Fortran writes it


def checked_kind(to: str | None) -> str:
    """Return what to make: ``to``, or the first of `KINDS` whose library is there.

    Raises
    ------
    ValueError
        If it is none of them.
    ImportError
        If its library is missing.
    """
    if to is None:
        return next(kind for kind in KINDS if kind == "dicts" or _is_there(_LIBRARIES[kind]))
    if to not in KINDS:
        raise ValueError(f"to is one of {', '.join(KINDS)}, or None for the first, not {to!r}")
    if to != "dicts" and not _is_there(_LIBRARIES[to]):
        library = _LIBRARIES[to]
        raise ImportError(f"this needs {library}: pip install {library}", name=library)
    return to


_LIBRARIES = {"pandas": "pandas", "polars": "polars", "arrow": "pyarrow"}


def _is_there(library: str) -> bool:
    try:
        import_module(library)
    except ImportError:
        return False
    return True


def frame(table: Table, kind: str) -> Any:
    """Return a table as `checked_kind` said."""
    number, time, source = table.own_names()
    numbers = [origin.number for origin in table.origins]
    times = [origin.time for origin in table.origins]
    sources = [origin.source for origin in table.origins]
    columns = {name: as_numbers(column) for name, column in table.columns.items()}
    if kind == "dicts":
        moments = [local_time(moment) for moment in times]
        everything = {number: numbers, time: moments, source: sources, **columns}
        return [
            dict(zip(everything, row, strict=True))
            for row in zip(*everything.values(), strict=True)
        ]
    columns = {name: [_unicode(value) for value in column] for name, column in columns.items()}
    if kind == "arrow":
        pa = import_module("pyarrow")
        own = {
            number: pa.array(numbers, pa.int64()),
            time: pa.array(times, pa.timestamp("ns", tz="UTC")),
            source: pa.array(sources, pa.string()),
        }
        return pa.table(own | {name: pa.array(column) for name, column in columns.items()})
    if kind == "polars":
        pl = import_module("polars")
        own = {
            number: pl.Series(number, numbers, dtype=pl.Int64),
            time: pl.Series(time, times, dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")),
            source: pl.Series(source, sources, dtype=pl.String),
        }
        more = {name: pl.Series(name, column, strict=False) for name, column in columns.items()}
        return pl.DataFrame(own | more)
    pd = import_module("pandas")
    own = {
        number: pd.Series(numbers, dtype="int64"),
        time: pd.to_datetime(pd.Series(times, dtype="int64"), unit="ns", utc=True),
        source: pd.Series(sources, dtype="str"),
    }
    return pd.DataFrame(own | {name: _series(pd, column) for name, column in columns.items()})


def _unicode(value: Value) -> Value:
    """Return a value that UTF-8 can hold: some error handlers leave surrogates for bad bytes."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def _series(pd: Any, column: list[Value]) -> Any:
    present = {type(value) for value in column if value is not None}
    if present == {int} and None in column:
        return pd.Series(column, dtype="Int64")
    if present == {str}:
        return pd.Series(column, dtype="str" if None not in column else "object")
    return pd.Series(column, dtype="object" if not present else None)
