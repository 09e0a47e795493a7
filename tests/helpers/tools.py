"""Programs that the tests use and do not test: compilers, browsers, ``mount``."""

from __future__ import annotations

import os


def tool_environment() -> dict[str, str]:
    """Return an environment in which such a program has all that the system has.

    ``tests/without_linux/run.py`` preloads what takes a part of it away.
    """
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
