"""What several of the scripts do that tests run in a process of their own."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

from ipyfdcapture import Capture, Captured, FdCapture, capture_fd

from .process import the_pump


def warm_up(**options: Any) -> None:
    """Capture once with each drain, so that what is made once a process is there."""
    for drain in ("process", "thread"):
        with capture_fd(drain=drain, **options) as logs:
            print("warm")
        logs.close()


def hold(kind: str, inside: Callable[[], object] = lambda: None) -> Capture | FdCapture | Captured:
    """Return a capture that runs, for ``capture`` or ``one descriptor``, or a ``log``."""
    if kind == "log":
        with capture_fd() as logs:
            inside()
        return logs
    held = capture_fd() if kind == "capture" else FdCapture(1)
    held.start()
    inside()
    return held


def load_writer(path: str) -> ctypes.CDLL:
    """Load the library of ``tests/native/out.c``."""
    library = ctypes.CDLL(path)
    library.write_lines.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_long]
    return library


def c_stream(name: str) -> ctypes.c_void_p:
    """Return C's ``stdout`` or ``stderr``, under its name here or on macOS."""
    libc = ctypes.CDLL(None)
    return ctypes.c_void_p.in_dll(libc, name if hasattr(libc, name) else f"__{name}p")


def kill_helper() -> int:
    """Kill the helper process of this process; return its number."""
    helper: int = the_pump(os.getpid(), timeout=10).pid
    os.kill(helper, signal.SIGKILL)
    return helper


def close_all() -> list[BinaryIO]:
    """Close all descriptors and open files, as daemons do, and some of them do not fork."""
    os.closerange(3, 1000)
    return [open(f"file{number}", "w+b") for number in range(60)]


def assert_untouched(files: list[BinaryIO]) -> None:
    for file in files:
        assert os.fstat(file.fileno()).st_size == 0, file.name
        assert os.path.samestat(os.fstat(file.fileno()), os.stat(file.name)), file.name


def inject(
    owner: Any, name: str, nth: int, make_error: Callable[[], BaseException]
) -> tuple[dict[str, int], Callable[[], None]]:
    """Make the nth call of ``owner.name`` in this process fail.

    Returns
    -------
    state : dict
        How many ``calls`` there were, and how many ``failed``.
    undo : callable
        Puts back what was there.
    """
    original = getattr(owner, name)
    state = {"calls": 0, "failed": 0}
    lock = threading.Lock()

    def failing(*args: Any, **kwargs: Any) -> Any:
        with lock:
            state["calls"] += 1
            fail = state["calls"] == nth
        if fail:
            state["failed"] = 1
            raise make_error()
        return original(*args, **kwargs)

    setattr(owner, name, failing)
    return state, lambda: setattr(owner, name, original)
