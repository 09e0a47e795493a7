"""What the benchmarks share: the memory that they find, what they ran on, tables."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

_BLOCK = b"\1" * (1 << 20)


def provide_memory(nbytes: int) -> None:
    """Have the machine hold that much memory for files.

    A virtual machine gives back what is free and gets it again at its first touch, which takes
    longer than all that is measured here.
    """
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(0, nbytes, len(_BLOCK)):
            file.write(_BLOCK)


def peak_bytes() -> int:
    """Return the most memory that this process ever had, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def describe_run(packages: Sequence[str] = ()) -> str:
    """Return the date, the class of machine, and the versions, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    release = ".".join(platform.release().split(".")[:2])
    system = f"{platform.system()} {release} {platform.machine()}"
    parts = [
        time.strftime("%F"),
        f"{os.cpu_count()} cores, {memory:.0f} GiB",
        system,
        f"Python {platform.python_version()}",
        *(f"{package} {version_of(package)}" for package in packages),
    ]
    return "; ".join(parts)


def version_of(package: str) -> str:
    """Return a package's version, from the package itself if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return str(getattr(__import__(package), "__version__", "?"))


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table for a terminal: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows))


def write_part(path: str, name: str, text: str) -> None:
    """Put text into a page, between ``<!-- name -->`` and ``<!-- /name -->``."""
    page = Path(path)
    before = page.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    after, count = pattern.subn(lambda found: f"{found[1]}{text}{found[2]}", before)
    if count != 1:
        sys.exit(f"{path} has no place for the table: <!-- {name} --> … <!-- /{name} -->")
    page.write_text(after, encoding="utf-8")
