"""What works on Windows, with what that lacks hidden: import, `open_log`, logs that were saved.

windows.py DIRECTORY    holds logs that were saved elsewhere, and a pickle
"""

import asyncio  # noqa: F401
import ctypes
import functools
import os
import pickle
import select
import signal
import sys
from pathlib import Path
from typing import Any

import ipykernel.ipkernel  # noqa: F401
import IPython  # noqa: F401
import pandas  # noqa: F401

DIRECTORY = Path(sys.argv[1])

# What is imported above was made for this system, and stays so.
for name in ("fcntl", "termios", "resource", "pwd", "grp", "tty", "pty", "_posixsubprocess"):
    sys.modules[name] = None  # type: ignore[assignment]
_LACKING = {
    os: """
        O_CLOEXEC O_NOCTTY O_NOFOLLOW O_NONBLOCK chown chroot copy_file_range eventfd fchdir fchmod
        fchown fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpgrp getpriority
        getsid getuid initgroups killpg lchown lockf memfd_create mkfifo mknod nice openpty
        pidfd_open pipe2 posix_spawn posix_spawnp pread preadv pwrite pwritev readv register_at_fork
        sched_getaffinity sched_yield sendfile setegid seteuid setgid setpgid setsid setuid splice
        statvfs sync tcgetpgrp tcsetpgrp ttyname uname writev
    """,
    signal: """
        SIGALRM SIGCHLD SIGHUP SIGPIPE SIGTSTP SIGWINCH alarm getitimer pause pthread_kill
        pthread_sigmask setitimer siginterrupt sigpending
    """,
    select: "poll epoll",
}
for module, names in _LACKING.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
os.O_BINARY = 0  # type: ignore[attr-defined]


def _library(name, *args, _open, **kwargs):
    if name is None:
        raise TypeError("LoadLibrary() argument 1 must be str, not None")
    return _open(name, *args, **kwargs)


for kind in ("CDLL", "PyDLL"):
    setattr(ctypes, kind, functools.partial(_library, _open=getattr(ctypes, kind)))
really, sys.platform = sys.platform, "win32"

import ipyfdcapture  # noqa: E402

sys.platform = really  # what is imported from here on asks whether to use what Windows has

try:
    from ipyfdcapture import capture_fd  # noqa: F401
except ImportError as error:
    print(error)
else:
    raise AssertionError("it cannot be had")
shell: Any = None
ipyfdcapture.load_ipython_extension(shell)
ipyfdcapture.unload_ipython_extension(shell)

text = "2026-01-02 03:04:05 start\n2026-01-02 03:04:35 ERROR: no memory\n"
(DIRECTORY / "slurm.out").write_bytes(text.encode())
log = ipyfdcapture.open_log(DIRECTORY / "slurm.out", times="auto")
assert log.text == text
assert log.duration == 30.0
assert log.grep("no memory")[0].number == 2
assert [line.number for line in log.grep(level="error")] == [2]
assert list(log.extract(r"(?P<clock>\S+) start")["clock"]) == ["03:04:05"]
assert "no memory" in log._repr_mimebundle_()["text/html"]
assert "no memory" in str(log.plain)
assert len(log.to_pandas()) == 2
again = pickle.loads(pickle.dumps(log))
assert again.text == text
log.diff(again)

with open(DIRECTORY / "log.pickle", "rb") as file:
    saved = pickle.load(file)
assert saved.text == "one\ntwo\n"
for path in sorted(DIRECTORY.glob("saved.*")):
    opened = ipyfdcapture.open_log(path)
    assert opened.text == saved.text, path
    if path.suffix in (".jsonl", ".parquet"):
        assert [line.source for line in opened] == [line.source for line in saved]
for suffix in (".log", ".txt", ".jsonl", ".csv", ".html", ".svg", ".log.gz", ".parquet"):
    log.save(DIRECTORY / f"again{suffix}")
    assert (DIRECTORY / f"again{suffix}").stat().st_size
print("done")
