"""Too few descriptors are a clear error before anything moved."""

import os
import resource
import sys

from helpers.leaks import fd_target

from ipyfdcapture import CaptureError, capture_fd

drain = sys.argv[1]
if len(sys.argv) > 2:
    with capture_fd(drain=drain) as logs:
        print("warm")
    logs.close()
    del logs
else:
    pass
target = [fd_target(1), fd_target(2)]
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
used = {int(n) for n in os.listdir("/dev/fd")}
outcomes = []
for left in range(40):
    highest = max(int(n) for n in os.listdir("/dev/fd"))
    before = sys.stdout, sys.stderr
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + left, hard))
    try:
        with capture_fd(drain=drain) as logs:
            os.write(1, b"in")
        outcomes.append("ok")
    except CaptureError as error:
        assert len(str(error).splitlines()) == 1
        outcomes.append("refused")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (sys.stdout, sys.stderr) == before
    assert [fd_target(1), fd_target(2)] == target, left
    if outcomes[-1] == "ok":
        assert logs.stdout == "in", (left, logs.stdout)
        logs.close()
print(outcomes[0], outcomes[-1], outcomes == sorted(outcomes, reverse=True))
