"""A thousand captures in a plain process leave nothing."""

import os
import sys

from helpers.leaks import settled_difference, snapshot

from ipyfdcapture import capture_fd

for each in ("process", "thread"):
    with capture_fd(drain=each) as logs:
        print("warm")
    logs.close()
del logs
before = snapshot()
for i in range(1000):
    with capture_fd(drain=sys.argv[1]) as logs:
        os.write(1, b"x%d" % i)
    assert logs.stdout == f"x{i}", logs
del logs
print(settled_difference(before))
