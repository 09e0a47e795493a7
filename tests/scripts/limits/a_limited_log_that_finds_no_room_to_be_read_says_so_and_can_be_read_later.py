"""A limited log that finds no room to be read says so and can be read later."""

import os
import resource

from helpers.sandbox import limit_file_size

from ipyfdcapture import capture_fd

with capture_fd(max_bytes=200_000) as logs:
    for i in range(40_000):
        os.write(1, b"%09d\n" % i)
before = os.listdir(os.path.dirname(logs.recording.path))
limit_file_size(150_000)  # not whole, but more than the first half
try:
    logs.raw
except OSError as error:
    print(error.strerror)
assert os.listdir(os.path.dirname(logs.recording.path)) == before
limit_file_size(resource.RLIM_INFINITY)
lines = [b"%09d\n" % i for i in [*range(10_000), *range(30_000, 40_000)]]
print(logs.raw == b"".join(lines), logs.dropped)
