"""Files whose bytes are not those of a log yet: compressed ones, and UTF-16."""

from __future__ import annotations

import codecs
import contextlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any

_FEED_BYTES = 1 << 14
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_UTF16_CODECS = ("utf-16", *_UTF16.values())

#: Takes a file in parts, and yields what is in it, in parts.
Unpack = Callable[[Iterable[bytes]], Iterator[bytes]]


class DamagedFileError(ValueError):
    """A file is cut or damaged: what could be read came before this."""


def unpacker_for(head: bytes) -> Unpack | None:
    """Return what unpacks a file, by its first bytes; None if it is to be read as it is.

    Parameters
    ----------
    head
        The first bytes: at least 4, if there are so many.

    Returns
    -------
    Callable or None
        It takes the file in parts, yields what is in it, in parts, and raises `DamagedFileError`
        where that ends too early.

    Raises
    ------
    ImportError
        If a library is needed and missing.
    """
    if head.startswith(_GZIP):
        return _unpack_gzip
    if head.startswith(_ZSTD):
        new_decompressor = _zstd()
        return lambda parts: _unpack_zstd(parts, new_decompressor)
    encoding = _UTF16.get(head[:2])
    if encoding is not None:
        return utf16_unpacker(encoding, None)
    return None


def is_compressed(head: bytes) -> bool:
    """Tell whether a file is compressed, by its first bytes."""
    return head.startswith((_GZIP, _ZSTD))


def utf16_codec(encoding: object) -> str | None:
    """Return Python's name of an encoding if it is one of UTF-16, which becomes UTF-8."""
    with contextlib.suppress(LookupError, ValueError):
        if isinstance(encoding, str) and (name := codecs.lookup(encoding).name) in _UTF16_CODECS:
            return name
    return None


def utf16_unpacker(encoding: str, unpack: Unpack | None) -> Unpack:
    """Return what makes UTF-8 of UTF-16, as `unpacker_for`, once ``unpack`` has unpacked it."""
    return lambda parts: _unpack_utf16(parts if unpack is None else unpack(parts), encoding)


def utf16_without_mark(head: bytes) -> str | None:
    """Return the encoding of a text, given its start, that is UTF-16 by all that can be seen.

    Most of its characters are Latin, and so is the end of a line; none of them is 0.
    """
    for encoding, high in (("utf-16-le", 1), ("utf-16-be", 0)):
        highs, lows = head[high::2], head[1 - high :: 2]
        is_latin = 2 * highs.count(0) > len(highs) and not lows.count(0)
        if is_latin and "\n" in head[: len(head) & ~1].decode(encoding, "replace"):
            return encoding
    return None


def _unpack_gzip(parts: Iterable[bytes]) -> Iterator[bytes]:
    unpack = zlib.decompressobj(wbits=31)
    for part in _small(parts):
        try:
            while part:
                yield unpack.decompress(part)
                part = unpack.unused_data
                if unpack.eof and (part := part.lstrip(b"\0")):  # several files in one; padding
                    unpack = zlib.decompressobj(wbits=31)
                elif not unpack.eof:
                    break
        except zlib.error as error:
            raise DamagedFileError(f"the compressed data is damaged ({error})") from None
    if not unpack.eof:
        yield unpack.flush()
        raise DamagedFileError("the compressed data is cut short")


def _small(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield smaller parts: where one is damaged, nothing of it can be read."""
    for part in parts:
        for start in range(0, len(part), _FEED_BYTES):
            yield part[start : start + _FEED_BYTES]


def _unpack_zstd(parts: Iterable[bytes], new_decompressor: Callable[[], Any]) -> Iterator[bytes]:
    unpack = new_decompressor()
    for part in _small(parts):
        try:
            while part:
                yield unpack.decompress(part)
                part = unpack.unused_data
                if unpack.eof and part:
                    unpack = new_decompressor()
        except Exception as error:  # each library has a class of its own
            raise DamagedFileError(f"the compressed data is damaged ({error})") from None
    if not unpack.eof:
        raise DamagedFileError("the compressed data is cut short")


def _zstd() -> Callable[[], Any]:
    """Return what makes a decompressor: of Python 3.14, or of the library zstandard."""
    try:
        return import_module("compression.zstd").ZstdDecompressor  # type: ignore[no-any-return]
    except ImportError:
        pass
    try:
        library = import_module("zstandard")
    except ImportError as error:
        raise ImportError(
            "this needs zstandard: pip install zstandard", name="zstandard"
        ) from error
    return lambda: library.ZstdDecompressor().decompressobj()


def _unpack_utf16(parts: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for i, part in enumerate(parts):
        text = decoder.decode(part)
        yield (text.removeprefix("\ufeff") if i == 0 else text).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")
