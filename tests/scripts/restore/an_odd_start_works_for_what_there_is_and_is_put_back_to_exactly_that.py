"""An odd start works for what there is and is put back to exactly that."""

import os
import sys

from helpers.leaks import fd_target
from helpers.report import show

from ipyfdcapture import capture_fd

exec(sys.argv[2])
missing = object()


def state():
    fds: list[str | None] = []
    for fd in (0, 1, 2):
        try:
            fds.append(fd_target(fd))
        except OSError:
            fds.append(None)
    return fds, getattr(sys, "stdout", missing), getattr(sys, "stderr", missing)


before = state()
try:
    for _ in range(3):
        with capture_fd(drain=sys.argv[1]) as logs:
            for fd in (1, 2):
                os.write(fd, b"native %d\n" % fd)
            print("printed")
        assert state() == before, (state(), before)
        assert logs.stderr == "native 2\n", logs.stderr
        assert logs.stdout == "native 1\nprinted\n", logs.stdout
        logs.close()
except BaseException as error:
    import traceback

    show("".join(traceback.format_exception(error)))
show("done")
os._exit(0)
