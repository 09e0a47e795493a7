"""Open any log file as a `Captured`.

A text file stays where it is: only an index of ours is made for it. What is
compressed is unpacked into a recording, as far as it can be, and what `Captured.save` wrote as
``.jsonl`` or ``.parquet`` becomes the log that it was, with times and sources.
"""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Iterator, Sized
from dataclasses import replace
from typing import TypeVar

from ..checks import check_encoding, check_flags
from ..recording import spool
from ..recording.copying import RecordingBuilder, record_bytes
from ..recording.foreign import ForeignFile, ForeignRecording
from ..recording.format import ENTRY
from ..recording.mapping import Content
from ..recording.metadata import Metadata
from ..recording.recording import Recording
from .captured import Captured
from .following import follow as follow_file
from .saved import SavedLine, is_parquet, is_saved_jsonl, read_jsonl, read_parquet
from .timestamps import SAMPLE_BYTES, find_layout, moments_of
from .unpacking import (
    DamagedFileError,
    is_compressed,
    unpacker_for,
    utf16_codec,
    utf16_unpacker,
    utf16_without_mark,
)

T = TypeVar("T")


def open_log(
    path: str | os.PathLike[str],
    *,
    times: str | None = None,
    follow: bool = False,
    encoding: str = "utf-8",
    errors: str = "replace",
) -> Captured:
    r"""Open a log file, whoever wrote it.

    A plain file is read where it is, so that one of any size opens at once. What is compressed
    (gzip, Zstandard) is unpacked to a temporary file, and so are ``.jsonl`` and ``.parquet`` as
    `Captured.save` writes them, which bring their times and sources back. UTF-16 becomes UTF-8:
    it is known by the mark at its start, or given as ``encoding``.

    Parameters
    ----------
    path
        The file; ``~`` is the home directory.
    times
        ``"auto"``: find the time of each line in its text, as most programs write it, so that
        `Captured.rate`, `Captured.gaps` and `Captured.between` work. None: all lines have the
        time at which the file was last written.
    follow
        Whether the file still grows: each look at the log shows what the file holds by then. It
        is copied then, as it comes. If it is cut or replaced meanwhile, the log goes on with what
        is there then.
    encoding, errors
        How to decode it, as for `bytes.decode`: any encoding in which a line ends with byte 10,
        or UTF-16.

    Returns
    -------
    Captured
        The log. Its single source is ``stdout``, unless the file names others.

    Raises
    ------
    OSError
        If the file cannot be read. Later, a look at the log raises it if the file was cut or
        written anew meanwhile.
    ValueError
        If an argument is wrong, the file does not hold what its first bytes promise, or no times
        are found in it.
    ImportError
        If a library is missing that reads it.

    Warns
    -----
    UserWarning
        If the file is cut or damaged: the log has what could be read. If it seems to be UTF-16
        without a mark.

    Examples
    --------
    >>> import pathlib
    >>> text = "2026-01-02 03:04:05 start\n2026-01-02 03:04:35 ERROR: no memory\n"
    >>> _ = pathlib.Path("slurm-4711.out").write_text(text)
    >>> job = open_log("slurm-4711.out", times="auto")
    >>> job.duration, job.grep("no memory")[0].number
    (30.0, 2)
    """
    utf16 = utf16_codec(encoding)
    encoding = encoding if utf16 is None else "utf-8"
    check_encoding(encoding, errors)
    check_flags(follow=follow)
    if times not in (None, "auto"):
        raise ValueError(f"times is 'auto' (find them in the lines) or None, not {times!r}")
    name = os.path.expanduser(os.fsdecode(path))
    metadata = Metadata(
        sources=("stdout",), encoding=encoding, errors=errors, name=os.path.basename(name)
    )
    file = ForeignFile(name)
    try:
        recording = _recording(file, metadata, times is not None, follow, utf16)
    except BaseException:
        file.close()
        raise
    return Captured(recording)


def _recording(
    file: ForeignFile, metadata: Metadata, find_times: bool, grows: bool, utf16: str | None
) -> Recording:
    head = file.read(SAMPLE_BYTES, 0)
    unpack = unpacker_for(head)
    if utf16 is not None and not is_parquet(head):
        unpack = utf16_unpacker(utf16, unpack if is_compressed(head) else None)
    is_text = unpack is None and not is_parquet(head) and not is_saved_jsonl(head)
    if is_text:
        _warn_of_utf16(head, file, stacklevel=4)
    if grows:
        if not is_text:
            raise ValueError(
                f"{file.path}: only a text file can be followed, neither compressed nor UTF-16"
            )
        return follow_file(
            file, spool.directory(), replace(metadata, started=file.modified), find_times
        )
    metadata = replace(metadata, started=file.modified, stopped=file.modified)
    if is_text and (file.size or not head):
        return _map(file, metadata, find_times)
    try:
        if is_parquet(head):
            return _restore(read_parquet(file.path), file, metadata)
        parts = file.parts()
        if unpack is None and not is_text:
            return _restore(read_jsonl(parts), file, metadata)
        # What the system makes when it is read (/proc) has no size, and is taken as it is.
        unpack = unpack or iter
        return _unpack(unpack(parts), file, metadata, find_times)
    finally:
        file.close()


def _map(file: ForeignFile, metadata: Metadata, find_times: bool) -> Recording:
    """Return a recording of a file that stays where it is."""
    entries = ENTRY.pack(file.modified, 0, 0)
    if not file.size:
        entries = b""
    elif find_times:
        metadata, entries = _timed(file.content(file.size), file, metadata)
    return ForeignRecording.of(file, spool.directory(), metadata, entries)


def _timed(data: Content, file: ForeignFile, metadata: Metadata) -> tuple[Metadata, bytes]:
    """Return the metadata and the packed entries of a log with times in its lines."""
    layout = find_layout(bytes(data[:SAMPLE_BYTES]))
    entries = bytearray()
    first = last = latest = -1
    for start, moment in moments_of(data, layout, file.modified) if layout else ():
        if moment != latest:
            # What stands before the first line that has a time gets the same.
            entries += ENTRY.pack(moment, start if entries else 0, 0)
            latest = moment
            first = moment if first < 0 else min(first, moment)
            last = max(last, moment)
    if not entries:
        raise ValueError(
            f"{file.path}: no times were found in its lines; open it without times='auto'"
        )
    return replace(metadata, started=first, stopped=last), bytes(entries)


def _unpack(
    parts: Iterator[bytes], file: ForeignFile, metadata: Metadata, find_times: bool
) -> Recording:
    """Return a recording of what was packed, as far as it can be read."""
    told: list[str] = []
    whole = _up_to_damage(parts, told)
    head, parts = _sampled(whole)
    if (unpack := unpacker_for(head)) is not None:  # UTF-16 that was compressed
        head, parts = _sampled(_up_to_damage(unpack(parts), told))
    _warn_of_utf16(head, file, stacklevel=5)
    _check_some(head, told, file)
    if is_saved_jsonl(head):
        recording = _restore(read_jsonl(parts), file, metadata)
    else:
        with RecordingBuilder(spool.directory(), metadata) as builder:
            for part in parts:
                builder.add(0, part, file.modified)
        recording = builder.recording
        if find_times and head:
            recording = _retimed(recording, file, metadata)
    _warn_of(told, file)
    return recording


def _sampled(parts: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes of some parts, and all of them."""
    head = b""
    while len(head) < SAMPLE_BYTES and (part := next(parts, None)) is not None:
        head += part
    return head, itertools.chain((head,), parts)


def _retimed(recording: Recording, file: ForeignFile, metadata: Metadata) -> Recording:
    """Return the same recording with times of its lines."""
    data = recording.snapshot().data
    metadata, entries = _timed(data, file, metadata)
    words = [*ENTRY.iter_unpack(entries)]
    ends = [start for _, start, _ in words[1:]] + [len(data)]
    chunks = ((0, data[start:end], time) for (time, start, _), end in zip(words, ends, strict=True))
    return record_bytes(spool.directory(), chunks, metadata)


def _restore(lines: Iterator[SavedLine], file: ForeignFile, metadata: Metadata) -> Recording:
    """Return a recording of the lines of a saved log, as far as they can be read."""
    told: list[str] = []
    numbers: dict[str, int] = {}
    first = last = -1
    with RecordingBuilder(spool.directory(), metadata) as builder:
        for line in _up_to_damage(lines, told):
            source = numbers.setdefault(line.source, len(numbers))
            end = "\r\n" if line.text.endswith("\r") else "\n"  # such a line end is no text
            data = (line.text + end).encode(metadata.encoding, "backslashreplace")
            builder.add(source, data, line.time)
            first = line.time if first < 0 else min(first, line.time)
            last = max(last, line.time)
        _check_some(numbers, told, file)
        if numbers:
            metadata = replace(metadata, sources=tuple(numbers), started=first, stopped=last)
        builder.recording.metadata = metadata
    _warn_of(told, file)
    return builder.recording


def _up_to_damage(parts: Iterator[T], told: list[str]) -> Iterator[T]:
    """Yield what can be read, and note why there is no more of it."""
    try:
        yield from parts
    except DamagedFileError as error:
        told.append(str(error))


def _check_some(found: Sized, told: list[str], file: ForeignFile) -> None:
    if told and not found:
        raise ValueError(f"{file.path}: nothing of it can be read: {told[0]}")


def _warn_of_utf16(head: bytes, file: ForeignFile, stacklevel: int) -> None:
    encoding = utf16_without_mark(head)
    if encoding is not None:
        warnings.warn(
            f"{file.path}: this seems to be UTF-16 without a mark: open it with "
            f"encoding={encoding!r}",
            UserWarning,
            stacklevel=stacklevel,
        )


def _warn_of(told: list[str], file: ForeignFile) -> None:
    for what in told:
        warnings.warn(
            f"{file.path}: {what}: the log has what could be read", UserWarning, stacklevel=5
        )
