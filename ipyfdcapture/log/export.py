"""Write a log to a file, or hand it to pandas and Arrow."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import re
import stat
from array import array
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from .moments import utc_time
from .reading import Block, Reading
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
                os.chmod(new, mode)  # what the umask took off as well
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
        writers = {".jsonl": _json_lines, ".txt": Reading.plain_parts, ".log": Reading.text_parts}
        parts = writers[suffix](reading)
    for part in parts:
        file.write(part.encode("utf-8", "backslashreplace"))


def _csv_lines(reading: Reading) -> Iterator[str]:
    """Yield a table as RFC 4180 wants it: with a head, and lines that end with ``\\r\\n``.

    Not by `csv`: that of Python 3.10 refuses NUL.
    """
    names = list(map(_csv_field, reading.sources))
    yield "time,source,number,text,plain\r\n"
    for block in reading.blocks():
        texts, plains = _texts_of(block)
        fields = list(map(_csv_field, texts))
        seen = fields if plains is texts else map(_csv_field, plains)
        facts = zip(_iso(block.times), block.sources, block.indices, fields, seen, strict=True)
        yield "".join(
            f"{time},{names[source]},{index + 1},{text},{plain}\r\n"
            for time, source, index, text, plain in facts
        )


#: What a field must be quoted for.
_CSV_SPECIAL = re.compile('[",\\r\\n]')


def _csv_field(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _CSV_SPECIAL.search(text) else text


def _json_lines(reading: Reading) -> Iterator[str]:
    names = list(map(encode_basestring_ascii, reading.sources))
    for block in reading.blocks():
        texts, plains = _texts_of(block)
        encoded = list(map(encode_basestring_ascii, texts))
        seen = encoded if plains is texts else map(encode_basestring_ascii, plains)
        facts = zip(_iso(block.times), block.sources, block.indices, encoded, seen, strict=True)
        yield "".join(
            f'{{"time": "{time}", "source": {names[source]}, "number": {index + 1}, '
            f'"text": {text}, "plain": {plain}}}\n'
            for time, source, index, text, plain in facts
        )


def _iso(times: Iterable[int]) -> Iterator[str]:
    """Yield moments as `datetime.isoformat` writes them: one is much like the one before."""
    known, written, known_second, second = -1, "", -1, ""
    for time in times:
        if time != known:
            known = time
            seconds, microseconds = divmod(time // 1000, 1_000_000)
            if seconds != known_second:
                known_second = seconds
                second = utc_time(seconds * 1_000_000_000).isoformat()[: -len("+00:00")]
            written = f"{second}.{microseconds:06}+00:00"
        yield written


def _texts_of(block: Block) -> tuple[list[str], list[str]]:
    """Return lines as they were written, and as they are seen: one list if that is the same."""
    texts = block.texts
    plains = block.seen(texts)
    written = _unicode(texts)
    return written, written if plains is texts else _unicode(plains)


def _write_parquet(reading: Reading, file: IO[bytes]) -> None:
    reader = arrow_reader(reading)
    parquet = import_module("pyarrow.parquet")
    with parquet.ParquetWriter(file, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def arrow_reader(reading: Reading) -> pyarrow.RecordBatchReader:
    """Return a reader of the columns that `to_pandas` has, a batch at a time.

    Raises `ImportError` if pyarrow is missing.
    """
    pa = _require("pyarrow", "arrow")
    schema = pa.schema(
        {
            "time": pa.timestamp("ns", tz="UTC"),
            "source": pa.dictionary(pa.int32(), pa.string()),
            "number": pa.int64(),
            "text": pa.string(),
            "plain": pa.string(),
        }
    )
    sources = pa.array(reading.sources, pa.string())

    def numbers(values: array[int], of_type: pyarrow.DataType) -> pyarrow.Array:
        return pa.Array.from_buffers(of_type, len(values), [None, pa.py_buffer(values)])

    def batches() -> Iterator[pyarrow.RecordBatch]:
        for some in _batches(reading):
            texts = pa.array(some.texts, pa.string())
            columns = [
                numbers(some.times, schema.field("time").type),
                pa.DictionaryArray.from_arrays(numbers(some.sources, pa.int32()), sources),
                numbers(some.numbers, pa.int64()),
                texts,
                texts if some.plains is None else pa.array(some.plains, pa.string()),
            ]
            yield pa.record_batch(columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def to_pandas(reading: Reading) -> pandas.DataFrame:
    """Return a frame of ``time``, ``source``, ``number``, ``text`` and ``plain``.

    Raises `ImportError` if pandas is missing.
    """
    pd = _require("pandas", "pandas")
    all_lines = _Columns()
    for block in reading.blocks():
        all_lines.extend(block)
    texts = pd.Series(all_lines.texts, dtype="str")
    plains = all_lines.plains
    times, numbers = (pd.Series(memoryview(x)) for x in (all_lines.times, all_lines.numbers))
    codes = list(all_lines.sources)
    return pd.DataFrame(
        {
            "time": pd.to_datetime(times.astype("int64"), unit="ns", utc=True),
            "source": pd.Categorical.from_codes(codes, categories=list(reading.sources)),
            "number": numbers.astype("int64"),
            "text": texts,
            "plain": texts if plains is None else pd.Series(plains, dtype="str"),
        }
    )


class _Columns:
    """The columns of some lines."""

    def __init__(self) -> None:
        self.times = array("q")
        self.sources = array("i")
        self.numbers = array("q")
        self.texts: list[str] = []
        self.plains: list[str] | None = None  #: None: they are the texts
        self.nbytes = 0

    def extend(self, block: Block) -> None:
        """Add the lines of a block."""
        texts, plains = _texts_of(block)
        if plains is not texts and self.plains is None:
            self.plains = self.texts.copy()
        if self.plains is not None:
            self.plains += plains
        self.texts += texts
        self.times.extend(block.times)
        self.sources.extend(block.sources)
        self.numbers.extend(index + 1 for index in block.indices)
        self.nbytes += len(block.body) - len(block.indices) + 1  # without what is between them

    def take(self, count: int) -> _Columns:
        """Take the first lines out."""
        taken = _Columns()
        for name in ("times", "sources", "numbers", "texts"):
            values = getattr(self, name)
            setattr(taken, name, values[:count])
            del values[:count]
        if self.plains is not None:
            taken.plains, self.plains = self.plains[:count], self.plains[count:]
        self.nbytes = sum(map(len, self.texts))
        return taken


def _batches(reading: Reading) -> Iterator[_Columns]:
    waiting = _Columns()
    for block in reading.blocks():
        waiting.extend(block)
        while len(waiting.texts) >= BATCH_LINES or waiting.nbytes >= BATCH_BYTES:
            yield waiting.take(BATCH_LINES)
    if waiting.texts:
        yield waiting


def _unicode(texts: list[str]) -> list[str]:
    """Return texts that UTF-8 can hold: some error handlers leave surrogates for bad bytes."""
    try:
        "\n".join(texts).encode()
    except UnicodeEncodeError:
        return [text.encode("utf-8", "backslashreplace").decode() for text in texts]
    return texts


def _require(library: str, extra: str) -> Any:
    try:
        return import_module(library)
    except ImportError as error:
        raise ImportError(
            f'this needs {library}: pip install "ipyfdcapture[{extra}]"', name=library
        ) from error
