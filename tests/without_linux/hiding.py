"""What Python offers on Linux alone, hidden; and a kqueue, as macOS has one.

What the system itself has is taken away by ``tests/native/without_linux.c``.
"""

from __future__ import annotations

import fcntl
import os
import select

# Before a kqueue can be seen: asyncio takes the one that is there, for more than ours can do.
import selectors  # noqa: F401
import signal

from helpers import kqueue

#: Of those that macOS lacks, the ones that a program of our kind might use. Not `select.epoll`
#: and `socket.MSG_CMSG_CLOEXEC`: libraries (trio) choose by the name of the platform.
_HIDDEN = {
    os: """
        copy_file_range eventfd fdatasync memfd_create pidfd_open pipe2
        posix_fadvise posix_fallocate sched_getaffinity sched_setaffinity
        splice waitid
    """,
    fcntl: "F_SETPIPE_SZ F_GETPIPE_SZ F_ADD_SEALS F_OFD_SETLK F_OFD_SETLKW F_OFD_GETLK",
    select: "POLLRDHUP",
    signal: "pidfd_send_signal sigtimedwait sigwaitinfo",
}


def hide() -> None:
    """Hide it, and add what `select` has on macOS."""
    for module, names in _HIDDEN.items():
        for name in names.split():
            if hasattr(module, name):
                delattr(module, name)
    for name, value in kqueue.NAMES.items():
        setattr(select, name, value)
