"""A process may have more descriptors than select takes."""

import os
import resource
import sys

from ipyfdcapture import capture_fd

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
with capture_fd(drain=sys.argv[1]) as logs:
    for i in range(50_000):
        os.write(1, b"line %d\n" % i)
print(len(logs), logs.dropped)
