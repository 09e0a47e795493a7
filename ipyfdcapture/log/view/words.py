"""Sizes, times, counts and names of sources, in words for people."""

from __future__ import annotations

#: So much of the arguments of a call is shown.
_MAX_ARGUMENTS = 60


def size(count: float) -> str:
    """Return a number of bytes for people: ``1.2 MB``."""
    if count < 999.5:
        return f"{count:.0f} B"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.5:
            return f"{value:.3g} {unit}"
    return f"{value / 1000:.3g} TB"


def time_span(seconds: float) -> str:
    """Return a time for people: ``12.3 s``, ``2 min 5 s``."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 line``, ``1,234 lines``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def source_mark(source: str) -> str:
    """Return what marks the lines of a source: "" for stdout, "err" for stderr, else its name."""
    if source in ("stdout", "stdout+stderr"):
        return ""
    return "err" if source == "stderr" else source


def called(name: str, *arguments: object, **options: object) -> str:
    """Return a call as it is written, without what says nothing: ``grep('a', level='error')``."""
    said = [repr(argument) for argument in arguments]
    while said and said[-1] == "None":
        said.pop()
    said += [f"{option}={value!r}" for option, value in options.items() if value]
    from .ansi import plain

    text = plain(", ".join(said))
    if len(text) > _MAX_ARGUMENTS:
        text = text[: _MAX_ARGUMENTS - 1] + "…"
    return f".{name}({text})"


def sliced(key: object) -> str:
    """Return a slice as it is written: ``[2:10]``."""
    if not isinstance(key, slice):
        return f"[{key!r}]"
    parts = [key.start, key.stop] + ([key.step] if key.step is not None else [])
    return "[" + ":".join("" if part is None else repr(part) for part in parts) + "]"


def short_name(source: str, limit: int) -> str:
    """Return the name of a source, its label cut so that all takes at most ``limit`` characters."""
    from .ansi import plain

    name = plain(source)
    if len(name) <= limit:
        return name
    label, slash, stream = name.rpartition("/")
    end = f"…{slash}{stream}" if label else "…"
    return name[: max(0, limit - len(end))] + end
