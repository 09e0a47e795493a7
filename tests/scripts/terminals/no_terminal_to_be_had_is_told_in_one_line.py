"""No terminal can be had, or not the second one: one line, and nothing has moved."""

import errno
import fcntl
import functools
import os
import sys
import tty

from helpers.leaks import settled_difference, snapshot
from helpers.scripts import inject, warm_up

from ipyfdcapture import CaptureError, capture_fd, popen

warm_up(tty=True)
popen(["true"], tty=True).wait()
before, environment = snapshot(), dict(os.environ)
for owner, name in ((os, "openpty"), (tty, "setraw"), (fcntl, "ioctl")):
    for nth in (1, 2):
        for number in (errno.ENOSPC, errno.ENOENT, errno.EIO):
            error = functools.partial(OSError, number, os.strerror(number))
            state, undo = inject(owner, name, nth, error)
            try:
                with capture_fd(tty=True, drain=sys.argv[1]):
                    print("not reached")
            except CaptureError as refused:
                assert str(refused) == (
                    "cannot capture: the system has no terminal to give "
                    f"({os.strerror(number)}): capture without tty"
                ), refused
            else:
                raise AssertionError("it began")
            finally:
                undo()
            assert state["failed"] and dict(os.environ) == environment
        del error, state, undo
for nth in (1, 2):  # for a labelled child
    error = functools.partial(OSError, errno.ENOSPC, os.strerror(errno.ENOSPC))
    state, undo = inject(os, "openpty", nth, error)
    try:
        popen(["true"], tty=True)
    except OSError as refused:
        assert "the system has no terminal to give (No space left" in str(refused), refused
    else:
        raise AssertionError("it began")
    finally:
        undo()
    assert state["failed"]
    del error, state, undo
print(settled_difference(before))
