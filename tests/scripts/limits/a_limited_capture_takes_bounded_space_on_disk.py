"""A limited capture takes bounded space on disk."""

import os
import sys

from ipyfdcapture import capture_fd


def on_disk():
    return sum(
        os.stat(os.path.join(folder, name)).st_blocks * 512
        for folder, _, names in os.walk(os.environ["TMPDIR"])
        for name in names
    )


highest = 0
with capture_fd(drain=sys.argv[1], max_bytes=100_000) as logs:
    for i in range(3000):
        os.write(1, b"x" * 20_000)
        if i % 100 == 0:
            highest = max(highest, on_disk())
highest = max(highest, on_disk())
assert logs.dropped == 60_000_000 - 100_000, logs.dropped
assert len(logs.raw) == 100_000
print(highest < 6_000_000 or highest)
