"""A helper killed between captures is replaced without a word."""

import os

from helpers.process import await_end
from helpers.scripts import kill_helper

from ipyfdcapture import capture_fd

with capture_fd() as kept:
    print("kept")
for n in range(5):
    await_end(kill_helper())
    with capture_fd() as logs:
        os.write(1, b"next %d\n" % n)
    assert logs.stdout == f"next {n}\n"
assert kept.stdout == "kept\n"
print("end")
