"""A fork after a capture meets no other thread."""

import os

import psutil

counts = []
os.register_at_fork(before=lambda: counts.append(psutil.Process().num_threads()))
from ipyfdcapture import capture_fd  # noqa: E402 - after the hook

with capture_fd(drain="process") as logs:
    if not os.fork():
        os._exit(0)
    os.wait()
if not os.fork():
    os._exit(0)
os.wait()
print(counts)
