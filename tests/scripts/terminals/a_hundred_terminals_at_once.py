"""A hundred terminals at once."""

import contextlib
import os
import sys

from helpers.leaks import settled_difference, snapshot
from helpers.scripts import warm_up

from ipyfdcapture import capture_fd

warm_up(tty=True)
before = snapshot()
with contextlib.ExitStack() as captures:
    logs = []
    for n in range(50):
        logs.append(captures.enter_context(capture_fd(tty=True, drain=sys.argv[1])))
        os.write(1, b"out %d\n" % n)
        os.write(2, b"err %d\n" % n)
    assert len({os.ttyname(1), os.ttyname(2)}) == 2
for n, log in enumerate(logs):
    assert (log.stdout, log.stderr) == (f"out {n}\n", f"err {n}\n")
    log.close()
logs.clear()
del log
print(settled_difference(before))
