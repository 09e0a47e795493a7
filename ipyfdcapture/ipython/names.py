"""What users type: the name of the magics, the variable of the latest log, and what it is about."""

from __future__ import annotations

#: The name of both magics.
MAGIC = "capture_fd"
#: The variable that always holds the latest log.
LATEST = "_logs"

ABOUT = f"""Capture what a cell or a statement writes to file descriptors 1 and 2.

It captures the output of Python, of C, C++, Fortran, CUDA, Go and Rust code, and of child
processes, in the order in which it is written, into a variable::

    %%{MAGIC} [options] [NAME]
    code

    %{MAGIC} [options] STATEMENT
    value = %{MAGIC} [options] EXPRESSION

The cell behaves as if it were not captured: results, displays, errors, ``await`` and line numbers
are its own. NAME is a `Captured`: a sequence of lines, with ``stdout``, ``stderr``, ``text``,
``grep()``, ``tail()`` and more; without a NAME it is `{LATEST}`.

Set defaults with ``%config CaptureFd``.
"""
