"""Whether arguments are of the accepted kind: each check raises a `ValueError` of one line."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Sequence
from typing import Any

from .system.interrupts import deferred_interrupts


def check_flags(**flags: Any) -> None:
    """Each is True or False: a stream or a number in its place is a mistake."""
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise ValueError(f"{name} must be True or False, not {flag!r}")


def check_function(name: str, function: Any) -> None:
    """It can be called, or is None."""
    if function is not None and not callable(function):
        raise ValueError(f"{name} must be a function, not {function!r}")


def check_stream(name: str, stream: Any) -> None:
    """It can be written to, or is None."""
    if stream is not None and not callable(getattr(stream, "write", None)):
        raise ValueError(f"{name} must be a text stream or None, not {stream!r}")


def check_positive(name: str, number: Any, *, of: str = "", none: bool = False) -> None:
    """It is a whole number above 0 (True is none); with ``none``, None is accepted too."""
    if none and number is None:
        return
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        accepted = f"a positive number{of}{' or None' if none else ''}"
        raise ValueError(f"{name} must be {accepted}, not {number!r}")


def check_terminal_size(name: str, size: Any) -> None:
    """It is a pair of numbers of columns and rows that a terminal can have, or None."""
    if size is None:
        return
    is_pair = isinstance(size, Sequence) and not isinstance(size, (str, bytes)) and len(size) == 2
    if not is_pair or not all(type(number) is int and 0 < number < 1 << 16 for number in size):
        raise ValueError(f"{name} must be (columns, rows), such as (120, 40), not {size!r}")


def check_max_bytes(max_bytes: Any) -> None:
    """It is a number of bytes above 0, or None for no limit."""
    check_positive("max_bytes", max_bytes, of=" of bytes", none=True)


def check_seconds(name: str, seconds: Any, *, zero: bool = False) -> None:
    """It is a number of seconds above 0; with ``zero``, 0 is one too."""
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not is_number or not (seconds > 0 or (zero and seconds == 0)):
        least = "at least 0" if zero else "above 0"
        raise ValueError(f"{name} must be a number of seconds, {least}, not {seconds!r}")


def check_encoding(encoding: Any, errors: Any) -> None:
    """Python can decode with both, and a line ends with byte 10."""
    try:
        # A mark at the start (utf-8-sig) is no part of the line end.
        end = "\n\n".encode(encoding).removeprefix("\n".encode(encoding))
        codecs.lookup_error(errors)
        end.decode(encoding, errors)  # idna takes no handler but strict
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"{error}: give an encoding and an error handler that Python has"
        ) from None
    if end != b"\n":
        raise ValueError(
            f"encoding {encoding!r} does not end a line with byte 10 alone, by which captured "
            "lines are found: give one that does, such as 'utf-8' or 'latin-1'"
        )


def check_descriptor(fd: Any) -> None:
    """It is a number that the system knows as open."""
    import fcntl  # not on Windows, where logs are read

    with deferred_interrupts():  # what an alarm raises may be an `OSError`
        try:
            fcntl.fcntl(fd, fcntl.F_GETFD)
        except (OSError, OverflowError):
            raise ValueError(f"descriptor {fd} is not open") from None


def checked_fds(fds: Any) -> list[int]:
    """Return the descriptors beside 1 and 2 as a list: open, and each given once."""
    if not isinstance(fds, Iterable):
        raise ValueError(f"fds takes several descriptors, such as [3, 7], not {fds!r}")
    checked: list[int] = []
    for fd in fds:
        if not isinstance(fd, int) or isinstance(fd, bool) or fd < 3:
            raise ValueError(
                f"fds takes open descriptors above 2, not {fd!r} (for 1 and 2: stdout, stderr)"
            )
        if fd in checked:
            raise ValueError(f"descriptor {fd} is given twice")
        check_descriptor(fd)
        checked.append(fd)
    return checked


def check_facts(facts: Any) -> None:
    """It is None, or a dictionary that can be written as JSON."""
    try:
        if facts is not None:
            json.dumps({**facts})
    except (TypeError, ValueError) as error:
        raise ValueError(f"facts must be a dictionary of plain data: {error}") from None
