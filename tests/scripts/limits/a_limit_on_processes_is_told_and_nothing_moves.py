"""A limit on processes is told and nothing moves."""

import os
import sys
import warnings

from helpers.leaks import fd_target
from helpers.sandbox import become_nobody_special, limit_processes

from ipyfdcapture import CaptureError, capture_fd

warnings.simplefilter("ignore")
become_nobody_special()
# The helper's interpreter must be one that this user, and not root alone, may run.
may_run = [path for path in (sys.executable, "/usr/bin/python3") if os.access(path, os.X_OK)]
sys.executable = may_run[0]
before = [fd_target(fd) for fd in (1, 2)], sys.stdout, sys.stderr
outcomes = []
for allowed in (1, 2, 3, 50):
    limit_processes(allowed)
    try:
        with capture_fd(drain=sys.argv[1]) as logs:
            os.write(1, b"in")
        assert logs.stdout == "in", (allowed, logs.stdout)
        outcomes.append("ok")
    except CaptureError as error:
        assert len(str(error).splitlines()) == 1
        outcomes.append("refused")
    assert before == ([fd_target(fd) for fd in (1, 2)], sys.stdout, sys.stderr)
print(*outcomes)
