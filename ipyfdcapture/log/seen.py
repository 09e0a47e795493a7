r"""The text of lines as it is seen on a terminal: what searches, levels and exports work on.

Escape sequences are gone, ``\b`` is obeyed, and of a progress bar there is what was left of it at
the end of its line. An escape character that begins no sequence is spelled ``\x1b``, so that
none is ever left. Every other character stays as it is.

Most lines hold nothing of the kind, which is found out for many lines at once.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

from .view.ansi import CURSOR_SEQUENCE, SCREEN, SCREEN_MARK, SEQUENCE, Row, visible

#: Encodings in which bytes below 128 are ASCII wherever they stand, and lines decode alone as
#: they do together.
_ASCII_BASED = ("utf-8", "ascii", "iso8859-1")
#: The handlers of errors that look at nothing but the bytes at fault.
_SIMPLE_HANDLERS = ("strict", "replace", "ignore", "backslashreplace", "surrogateescape")

_ESCAPES = "\x1b\x80-\x9f"
_C1 = re.compile("[\x80-\x9f]")
#: What leaves the cursor where it is: colours, links, "erase to the end" behind the last character.
_HARMLESS = re.compile(r"\x1b(?:\[[0-9;:]*m|\[0?K|\]8;[^\x00-\x1f\x7f-\x9f]*(?:\x07|\x1b\\))")
_TOKEN = re.compile(f"(?P<cursor>{CURSOR_SEQUENCE})|(?P<sequence>{SEQUENCE})|[{_ESCAPES}]")
_STEP = re.compile(f"(?P<text>[^\r\b{_ESCAPES}]+)|(?:[\r\b]|{CURSOR_SEQUENCE})")
#: What leaves nothing of all that stood before it in the row.
_CLEARS = ("\r\x1b[K", "\r\x1b[0K", "\r\x1b[2K", "\x1b[2K\r")


def as_seen(text: str) -> str:
    r"""Return one line as it is seen.

    Parameters
    ----------
    text
        The line, without its line end.

    Examples
    --------
    >>> as_seen("\x1b[31mred\x1b[0m")
    'red'
    >>> as_seen("10%\r100%")
    '100%'
    """
    if not is_special(text):
        return str(text)
    if "\x1b[?" in text:
        return SCREEN_MARK.join(map(_row, SCREEN.split(text)))
    return _row(text)


def _row(text: str) -> str:
    cleared = max(map(text.rfind, _CLEARS))
    text = _TOKEN.sub(_spelled, text[max(cleared, 0) :])
    if "\x1b" in text or "\x9b" in text or "\b" in text:
        return _drawn(text)
    return _overwritten(text.split("\r"))


def is_special(text: str) -> bool:
    """Tell whether text holds what may be seen otherwise than it was written."""
    if "\x1b" in text or "\r" in text or "\b" in text:
        return True
    return not text.isascii() and _C1.search(text) is not None


def _spelled(token: re.Match[str]) -> str:
    if token.lastgroup is None:
        return visible(token.group())
    return token.group() if token.lastgroup == "cursor" else ""


def _overwritten(parts: Sequence[str]) -> str:
    """Return what is seen of parts that all begin in the first column."""
    seen = parts[-1]
    for part in reversed(parts[:-1]):
        if len(part) > len(seen):
            seen += part[len(seen) :]
    return seen


def _drawn(text: str) -> str:
    row = Row()
    for step in _STEP.finditer(text):
        if step.lastgroup:
            row.write(step.group())
        else:
            row.obey(step.group())
    return row.text


class Sight:
    """Turns lines of one log, many at a time, from bytes into text, and into text as it is seen.

    Parameters
    ----------
    encoding, errors
        Those of the log, as for `bytes.decode`.
    """

    def __init__(self, encoding: str, errors: str) -> None:
        self.encoding = encoding
        self.errors = errors
        codec = codecs.lookup(encoding).name
        self.is_utf8 = codec == "utf-8"
        self._is_simple = codec in _ASCII_BASED and errors in _SIMPLE_HANDLERS
        self._c1 = {"utf-8": rb"\xc2[\x80-\x9f]", "iso8859-1": rb"[\x80-\x9f]"}.get(codec)

    def lenient(self) -> Sight:
        """Return one to which bad bytes are no error: U+FFFD stands for them."""
        return Sight(self.encoding, "replace") if self.errors == "strict" else self

    def bytes_of(self, text: str) -> bytes | None:
        """Return the bytes that are in a line exactly where a text is; None: none are known."""
        if not self._is_simple or self.errors not in ("strict", "replace") or "\ufffd" in text:
            return None
        try:
            return text.encode(self.encoding)
        except UnicodeEncodeError:
            return None

    def is_plain_body(self, body: bytes) -> bool:
        r"""Tell the same as `is_plain` of lines that may end with ``\r\n``, the last as well."""
        if b"\r" not in body:
            return self._is_plain(body)
        return self.is_plain(body.replace(b"\r\n", b"\n"))

    def is_plain(self, lines: bytes) -> bool:
        r"""Tell whether lines are known to be seen as they were written.

        Parameters
        ----------
        lines
            Any number of them, with a ``\n`` between two.
        """
        return b"\r" not in lines and self._is_plain(lines)

    def _is_plain(self, lines: bytes) -> bool:
        r"""Tell the same of lines without a ``\r``."""
        if not self._is_simple or b"\x1b" in lines or b"\b" in lines:
            return False
        if self.is_utf8 and b"\xc2" not in lines:  # a quarter of the time of `isascii`
            return True
        return lines.isascii() or self._c1 is None or not re.search(self._c1, lines)

    def text(self, line: bytes) -> str:
        """Return the text of a line, or of a part of one."""
        return line.decode(self.encoding, self.errors)

    def texts(self, lines: Sequence[bytes]) -> list[str]:
        """Return the text of lines, given without their line ends."""
        return self.texts_of(b"\n".join(lines)) if lines else []

    def texts_of(self, lines: bytes) -> list[str]:
        r"""Return the text of lines, given with a ``\n`` between two."""
        if self._is_simple:
            return self.text_of(lines).split("\n")
        return list(map(self.text, lines.split(b"\n")))

    def text_of(self, lines: bytes) -> str:
        r"""Return the same as one text, with a ``\n`` between two."""
        if self._is_simple:
            try:
                return self.text(lines)
            except UnicodeDecodeError:
                pass  # strict: the line at fault is told of
        return "\n".join(map(self.text, lines.split(b"\n")))

    def seen(self, lines: bytes, texts: list[str]) -> list[str]:
        r"""Return lines as they are seen.

        Parameters
        ----------
        lines
            Any number of them, with a ``\n`` between two.
        texts
            Their texts. If nothing in them looks otherwise than it was written, they themselves
            are returned.
        """
        if self.is_plain(lines):
            return texts
        together = "\n".join(texts)
        if not is_special(together):
            return texts
        stripped = _HARMLESS.sub("", together)
        if not is_special(stripped):
            return stripped.split("\n")
        return list(map(as_seen, texts))

    def seen_body(self, body: bytes) -> str:
        r"""Return lines as they are seen, each with its ``\n``; as they are, each has one."""
        if b"\r" in body:
            body = body.replace(b"\r\n", b"\n")
        if self._is_simple:
            try:
                text = body.decode(self.encoding, self.errors)
            except UnicodeDecodeError:
                pass  # strict: the line at fault is told of
            else:
                if self.is_plain(body):
                    return text
                stripped = _HARMLESS.sub("", text)
                if not is_special(stripped):
                    return stripped
        lines = body.split(b"\n")
        lines.pop()
        return "".join([as_seen(text) + "\n" for text in self.texts(lines)])

    def seen_lines(self, lines: Sequence[bytes]) -> list[str]:
        """Return lines, given without their line ends, as they are seen."""
        return self.seen(b"\n".join(lines), self.texts(lines))
