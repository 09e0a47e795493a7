"""Write a log to a file, or hand it to pandas and Arrow."""

from __future__ import annotations

import contextlib
import csv
import errno
import gzip
import io
import json
import os
import stat
from array import array
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from .lines import Row
from .moments import utc_time
from .reading import Reading
from .view.summary import Summary

if TYPE_CHECKING:
    import pandas
    import pyarrow

#: A batch of lines for Arrow ends after this many, or after this many bytes.
BATCH_LINES = 1 << 16
BATCH_BYTES = 16 << 20


#: Yields a page of a log.
Page = Callable[[Summary, Reading], Iterator[str]]


def save(
    reading: Reading, summary: Summary, path: str | os.PathLike[str], page: Page | None = None
) -> None:
    """Write a log to a file, whole or not at all, in the format that its suffix says.

    A file that was there keeps its mode.

    Parameters
    ----------
    reading
        The lines.
    summary
        What a page says of them.
    path
        Where to; ``~`` is the home directory. Its suffix is ``.txt`` or ``.log``, ``.jsonl``,
        ``.csv``, ``.html``, ``.svg`` or ``.parquet``, and ``.gz`` behind it compresses.
    page
        What makes a page. None: the static view of all lines.

    Raises
    ------
    ValueError
        If the suffix is none of these.
    OSError
        If the file cannot be written. What was there before is still there then.
    ImportError
        If a library is missing; the message names the extra to install.
    """
    name = os.path.expanduser(os.fsdecode(path))
    suffix, packed = _format_of(name)
    if suffix not in _SUFFIXES:
        raise ValueError(
            f"cannot save {os.fspath(path)!r}: the suffix says how, and is one of "
            + ", ".join(_SUFFIXES)
            + "; .gz after it, or alone, compresses"
        )
    with replaced_file(name) as file:
        if not packed:
            _write(suffix, reading, summary, page, file)
            return
        # The same log gives the same file: without a name and a time.
        with gzip.GzipFile("", "wb", 6, file, mtime=0) as packing:
            _write(suffix, reading, summary, page, cast(IO[bytes], packing))


@contextlib.contextmanager
def replaced_file(path: str) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of ``path`` once it is whole, with the mode of that."""
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such directory", str(target.parent))
    new = target.with_name(f".{target.name[:100]}.{os.urandom(4).hex()}.new")
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, 0o666 if mode is None else mode)

    try:
        with open(new, "xb", opener=opener) as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)  # what the umask took off as well
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


_SUFFIXES = (".txt", ".log", ".jsonl", ".csv", ".html", ".svg", ".parquet")


def _format_of(name: str) -> tuple[str, bool]:
    """Return the suffix that says the format, and whether to compress."""
    stem, suffix = os.path.splitext(os.path.basename(name))
    if suffix.lower() != ".gz":
        return suffix.lower(), False
    return os.path.splitext(stem)[1].lower() or ".txt", True


def _write(
    suffix: str, reading: Reading, summary: Summary, page: Page | None, file: IO[bytes]
) -> None:
    if suffix == ".parquet":
        _write_parquet(reading, file)
        return
    parts: Iterator[str]
    if suffix == ".html":
        from .view import html

        parts = (page or html.page)(summary, reading)
    elif suffix == ".svg":
        from .view import svg

        parts = svg.picture(summary, reading)
    elif suffix == ".csv":
        parts = _csv_lines(reading)
    else:
        parts = _json_lines(reading) if suffix == ".jsonl" else reading.text_parts()
    for part in parts:
        file.write(part.encode("utf-8", "backslashreplace"))


def _csv_lines(reading: Reading) -> Iterator[str]:
    """Yield a table as RFC 4180 wants it: with a head, and lines that end with ``\\r\\n``."""
    line = io.StringIO()
    writer = csv.writer(line)
    writer.writerow(("time", "source", "number", "text"))
    for row in reading.rows():
        moment = utc_time(row.time).isoformat(timespec="microseconds")
        writer.writerow((moment, reading.source(row), row.nth + 1, reading.text(row)))
        yield line.getvalue()
        line.seek(0)
        line.truncate()
    yield line.getvalue()


def _json_lines(reading: Reading) -> Iterator[str]:
    for row in reading.rows():
        entry = {
            "time": utc_time(row.time).isoformat(timespec="microseconds"),
            "source": reading.source(row),
            "number": row.nth + 1,
            "text": _unicode(reading.text(row)),
        }
        yield json.dumps(entry) + "\n"


def _write_parquet(reading: Reading, file: IO[bytes]) -> None:
    reader = arrow_reader(reading)
    parquet = import_module("pyarrow.parquet")
    with parquet.ParquetWriter(file, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def arrow_reader(reading: Reading) -> pyarrow.RecordBatchReader:
    """Return a reader of ``time``, ``source``, ``number`` and ``text``, a batch at a time.

    Raises `ImportError` if pyarrow is missing.
    """
    pa = _require("pyarrow", "arrow")
    schema = pa.schema(
        {
            "time": pa.timestamp("ns", tz="UTC"),
            "source": pa.dictionary(pa.int32(), pa.string()),
            "number": pa.int64(),
            "text": pa.string(),
        }
    )
    sources = pa.array(reading.sources, pa.string())

    def batches() -> Iterator[pyarrow.RecordBatch]:
        for rows in _batched(reading.rows()):
            numbers = pa.array([row.source for row in rows], pa.int32())
            columns = [
                pa.array([row.time for row in rows], schema.field("time").type),
                pa.DictionaryArray.from_arrays(numbers, sources),
                pa.array([row.nth + 1 for row in rows], pa.int64()),
                pa.array([_unicode(reading.text(row)) for row in rows], pa.string()),
            ]
            yield pa.record_batch(columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def to_pandas(reading: Reading) -> pandas.DataFrame:
    """Return a frame of ``time``, ``source``, ``number`` and ``text``.

    Raises `ImportError` if pandas is missing.
    """
    pd = _require("pandas", "pandas")
    times, sources, numbers, texts = array("q"), array("i"), array("q"), []
    for row in reading.rows():
        times.append(row.time)
        sources.append(row.source)
        numbers.append(row.nth + 1)
        texts.append(_unicode(reading.text(row)))
    names = reading.sources
    return pd.DataFrame(
        {
            "time": pd.to_datetime(pd.Series(times, dtype="int64"), unit="ns", utc=True),
            "source": pd.Categorical.from_codes(list(sources), categories=list(names)),
            "number": pd.Series(numbers, dtype="int64"),
            "text": pd.Series(texts, dtype="str"),
        }
    )


def _batched(rows: Iterator[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row.raw)
        if len(batch) == BATCH_LINES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _unicode(text: str) -> str:
    """Return text that UTF-8 can hold: some error handlers leave surrogates for bad bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def _require(library: str, extra: str) -> Any:
    try:
        return import_module(library)
    except ImportError as error:
        raise ImportError(
            f'this needs {library}: pip install "ipyfdcapture[{extra}]"', name=library
        ) from error
