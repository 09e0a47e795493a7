"""Whether something was left behind: in this process, or in a kernel that imports this file."""

from __future__ import annotations

import _posixsubprocess
import contextlib
import fcntl
import gc
import logging
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

_FD_DIR = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
_SETTLE_S = 10.0


def open_fds() -> dict[str, str]:
    """Return what each open descriptor leads to, and whether it is closed on exec."""
    fds = {}
    for name in os.listdir(_FD_DIR):
        with contextlib.suppress(OSError):  # the one that lists the directory has gone
            flags = fcntl.fcntl(int(name), fcntl.F_GETFD)
            closed = "closed on exec" if flags & fcntl.FD_CLOEXEC else "inherited"
            fds[name] = f"{fd_target(int(name))} {closed}"
    return fds


def fd_target(fd: int) -> str:
    """Return which file, pipe or socket ``fd`` leads to; the same for a duplicate."""
    if os.path.isdir("/proc/self/fd"):
        return os.readlink(f"/proc/self/fd/{fd}")
    status = os.fstat(fd)
    kinds = {stat.S_IFSOCK: "socket", stat.S_IFIFO: "pipe"}
    kind = kinds.get(stat.S_IFMT(status.st_mode), "file")
    return f"{kind}:[{status.st_dev}:{status.st_ino}]"


def _files_in(directory: str | None) -> list[str]:
    if directory is None:
        return []
    found = []
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if not name.startswith("pytest-of-")]
        connection_files = {name for name in names if name.startswith("kernel-")}
        found += [os.path.join(folder, name) for name in names if name not in connection_files]
    return sorted(found)


def _native_threads() -> dict[str, int]:
    """Return how many threads the system knows, by name: `threading` does not list them all."""
    names: Counter[str] = Counter()
    with contextlib.suppress(FileNotFoundError):  # macOS
        for thread in os.listdir("/proc/self/task"):
            with contextlib.suppress(OSError):  # ended meanwhile
                names[Path(f"/proc/self/task/{thread}/comm").read_text().strip()] += 1
    return dict(names)


def _process_attributes() -> dict[str, str]:
    """Return what belongs to the process as a whole."""
    umask = os.umask(0o077)
    os.umask(umask)
    return {
        "umask": oct(umask),
        "open files allowed": str(resource.getrlimit(resource.RLIMIT_NOFILE)),
        "file size allowed": str(resource.getrlimit(resource.RLIMIT_FSIZE)),
        "working directory": os.getcwd(),
        "blocked signals": str(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))),
        "logging handlers": str([id(handler) for handler in logging.getLogger().handlers]),
    }


def hooks() -> dict[str, str]:
    """Return the identity of everything a capture may replace for a time."""
    found: dict[str, Any] = {
        "sys.stdout": sys.stdout,
        "sys.stderr": sys.stderr,
        "sys.__stdout__": sys.__stdout__,
        "sys.__stderr__": sys.__stderr__,
        "sys.displayhook": sys.displayhook,
        "os.write": os.write,
        "os.writev": os.writev,
        "os.system": os.system,
        "os.posix_spawn": os.posix_spawn,
        "os.fork": os.fork,
        "os.dup2": os.dup2,
        "subprocess.Popen": subprocess.Popen,
        "subprocess.Popen.__init__": subprocess.Popen.__init__,
        "subprocess._fork_exec": getattr(subprocess, "_fork_exec", None),
        "_posixsubprocess.fork_exec": _posixsubprocess.fork_exec,
        "threading.Thread.start": threading.Thread.start,
        "ThreadPoolExecutor.submit": ThreadPoolExecutor.submit,
        "warnings.showwarning": warnings.showwarning,
        "print": print,
    }
    for number in signal.valid_signals():
        found[f"handler of signal {int(number)}"] = signal.getsignal(number)
    shown = {name: f"{type(hook).__name__} at {id(hook):#x}" for name, hook in found.items()}
    # Methods and IPython's wrappers of them are new objects each time: their names must do.
    for name in ("sys.excepthook", "sys.unraisablehook", "threading.excepthook"):
        module, _, attribute = name.partition(".")
        shown[name] = _function_name(getattr(sys.modules[module], attribute))
    for stream in ("stdout", "stderr"):
        held = getattr(sys, stream)
        for name in ("write", "flush", "fileno", "isatty", "writelines"):
            shown[f"sys.{stream}.{name}"] = _function_name(getattr(held, name, None))
        with contextlib.suppress(TypeError):  # it has none of its own
            shown[f"attributes of sys.{stream}"] = str(sorted(vars(held)))
    return shown


def _function_name(function: Any) -> str:
    module = getattr(function, "__module__", None)
    return f"{module}.{getattr(function, '__qualname__', repr(function))}"


def _shell_hooks() -> dict[str, Any]:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return {}
    events = {name: [repr(f) for f in held] for name, held in shell.events.callbacks.items()}
    return {
        "events": events,
        "input_transformers_cleanup": [repr(f) for f in shell.input_transformers_cleanup],
        "input_transformers_post": [repr(f) for f in shell.input_transformers_post],
        "ast_transformers": [repr(f) for f in shell.ast_transformers],
        "displayhook": f"{type(shell.displayhook).__name__} at {id(shell.displayhook):#x}",
        "display_pub": f"{type(shell.display_pub).__name__} at {id(shell.display_pub):#x}",
        "showtraceback": repr(shell.showtraceback),
        "run_cell": repr(shell.run_cell),
        "system": repr(shell.system),
        "custom_exceptions": repr(shell.custom_exceptions),
    }


def snapshot() -> dict[str, Any]:
    """Return everything that a capture must leave as it was, as plain data."""
    gc.collect()
    children = psutil.Process().children(recursive=True)
    return {
        "descriptors": open_fds(),
        "threads": sorted(f"{thread.name} {thread.ident}" for thread in threading.enumerate()),
        "native threads": _native_threads(),
        "process": _process_attributes(),
        "children": sorted(child.pid for child in children),
        "temporary files": _files_in(os.environ.get("TMPDIR")),
        "runtime files": _files_in(os.environ.get("JUPYTER_RUNTIME_DIR")),
        "hooks": hooks(),
        "shell": _shell_hooks(),
    }


def difference(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what changed, one line each."""
    found = []
    for part, was in before.items():
        now = after[part]
        if was == now:
            continue
        if isinstance(was, dict):
            for name in {**was, **now}:
                if was.get(name) != now.get(name):
                    found.append(f"{part}, {name}: {was.get(name)!r} became {now.get(name)!r}")
        else:
            found += [f"{part}: {item} is gone" for item in was if item not in now]
            found += [f"{part}: {item} is new" for item in now if item not in was]
    return found


def settled_difference(
    before: dict[str, Any],
    timeout: float = _SETTLE_S,
    ignoring: str | None = None,
    look: Callable[[], dict[str, Any]] = snapshot,
) -> list[str]:
    """Return what is different from ``before``; give a thread that is on its way out time.

    Lines in which ``ignoring`` occurs do not count.
    """
    deadline = time.monotonic() + timeout
    while True:
        left = difference(before, look())
        left = [line for line in left if ignoring is None or ignoring not in line]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)


@contextlib.contextmanager
def no_leaks() -> Iterator[None]:
    """Fail if anything is different at the end from what it was at the start."""
    before = snapshot()
    yield
    left = settled_difference(before)
    assert not left, "left behind:\n" + "\n".join(left)
