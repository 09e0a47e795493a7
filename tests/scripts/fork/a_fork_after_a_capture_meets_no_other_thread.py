"""A fork after a capture meets no other thread."""

import os

counts = []
os.register_at_fork(before=lambda: counts.append(len(os.listdir("/proc/self/task"))))
from ipyfdcapture import capture_fd  # noqa: E402 - after the hook

with capture_fd(drain="process") as logs:
    if not os.fork():
        os._exit(0)
    os.wait()
if not os.fork():
    os._exit(0)
os.wait()
print(counts)
