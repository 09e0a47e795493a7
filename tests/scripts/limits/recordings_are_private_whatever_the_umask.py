"""Recordings are private whatever the umask."""

import os
import stat
import sys

from ipyfdcapture import capture_fd

os.umask(0)
with capture_fd(drain=sys.argv[1], max_bytes=1000) as logs:
    for _ in range(100):
        os.write(1, b"secret " * 1000)
    modes = set()
    for folder, folders, names in os.walk(os.environ["TMPDIR"]):
        for kind, found in (("file", names), ("folder", folders)):
            for name in found:
                mode = os.stat(os.path.join(folder, name)).st_mode
                modes.add((kind, stat.S_IMODE(mode)))
print(sorted(modes) == [("file", 0o600), ("folder", 0o700)], sorted(modes))
