"""Ask stream objects that are not ours, which may be None, closed or broken."""

from __future__ import annotations

import codecs
import io
from typing import Any, TypeGuard, TypeVar

T = TypeVar("T")


def flush_quietly(stream: Any) -> None:
    """Flush a stream that may be None, closed, or broken."""
    if stream is not None:
        try:  # noqa: SIM105 - also when the interpreter goes, and `contextlib` is gone
            stream.flush()
        except Exception:  # whatever the stream of somebody else can raise
            pass


def fileno_of(stream: Any) -> int | None:
    """Return a stream's descriptor, or None if it has none."""
    try:
        number = stream.fileno()
    except Exception:  # whatever the stream of somebody else can raise
        return None
    return number if isinstance(number, int) else None


def attribute_of(stream: Any, name: str, default: Any = None) -> Any:
    """Return an attribute of a stream that may be None or broken."""
    try:
        return getattr(stream, name, default)
    except Exception:  # a proxy that is bound to nothing at present, for one
        return default


def is_a(stream: Any, cls: type[T]) -> TypeGuard[T]:
    """Tell whether a stream is of a class, and not only says so (``isinstance`` asks it)."""
    return issubclass(type(stream), cls)


def encoding_of(stream: Any, default: str = "utf-8") -> str:
    """Return a stream's encoding; the default if it names none that Python has."""
    encoding = attribute_of(stream, "encoding")
    try:
        "\n".encode(encoding)
    except (LookupError, TypeError, ValueError):
        return default
    return str(encoding)


def error_handler_of(stream: Any) -> str:
    """Return how a stream treats characters that its encoding lacks.

    A stream that has no rule of its own, such as ipykernel's, takes everything.
    """
    errors: Any = attribute_of(stream, "errors") if is_a(stream, io.TextIOWrapper) else None
    try:
        codecs.lookup_error(errors)
    except (LookupError, TypeError, ValueError):
        return "backslashreplace"
    return str(errors)
