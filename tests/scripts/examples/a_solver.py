"""A solver that prints from C, at its start and after some work."""

import ctypes
import time
import types

_WORK_S = 0.4
_libc = ctypes.CDLL(None)


def _run() -> None:
    _libc.puts(b"iteration 1")
    time.sleep(_WORK_S)
    _libc.puts(b"iteration 2")


solver = types.SimpleNamespace(run=_run)
