"""A limited log can be read where its halves have no room beside them."""

import os
import sys

from ipyfdcapture import capture_fd

with capture_fd(max_bytes=500_000, spool_dir=sys.argv[1]) as logs:
    # Many at a time: the index of as many chunks would leave no room for the log itself.
    for i in range(0, 100_000, 1000):
        os.write(1, b"".join(b"%09d\n" % n for n in range(i, i + 1000)))
lines = [b"%09d\n" % i for i in [*range(25_000), *range(75_000, 100_000)]]
room = os.statvfs(sys.argv[1])
print(room.f_bavail * room.f_bsize < 500_000)
print(logs.raw == b"".join(lines), logs.dropped, logs.nbytes)
