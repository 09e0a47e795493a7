"""The size of a pipe may be limited."""

import errno
import fcntl
import os

from ipyfdcapture import capture_fd

pipes = []
if hasattr(fcntl, "F_SETPIPE_SZ"):
    usual = fcntl.fcntl

    def limited(fd, command, *rest):
        if command == fcntl.F_SETPIPE_SZ:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return usual(fd, command, *rest)

    fcntl.fcntl = limited
with capture_fd() as logs:
    for _ in range(1000):
        os.write(1, b"x" * 1000)
print(len(logs.raw))
