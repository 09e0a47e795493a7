"""The index of a limited log is bounded too."""

import os
import sys

from ipyfdcapture import capture_thread

largest = 0
with capture_thread(max_bytes=10_000) as logs:
    index = logs.recording.path + ".index"
    for i in range(200_000):
        sys.stdout.write(f"{i:099d}\n")
        sys.stdout.flush()
        if i % 1000 == 0:
            largest = max(largest, os.stat(index).st_size)
lines = [f"{i:099d}" for i in [*range(50), *range(199_950, 200_000)]]
assert [str(line) for line in logs] == lines, logs[-1]
times = [line.time for line in logs]
assert times == sorted(times) and times[0] < times[-1]
print(logs.dropped, 1 << 20 <= largest < 2 << 20 or largest)
