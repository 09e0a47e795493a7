"""The death under nested captures loses nothing."""

import os
import warnings

from helpers.process import await_end
from helpers.scripts import kill_helper

from ipyfdcapture import capture_fd

warnings.simplefilter("ignore")
with capture_fd() as outer:
    os.write(1, b"outer before\n")
    with capture_fd() as inner:
        os.write(1, b"inner before\n")
        await_end(kill_helper())
        os.write(1, b"inner after\n")
    os.write(1, b"outer after\n")
    with capture_fd() as third:
        os.write(1, b"third\n")
assert inner.stdout == "inner before\ninner after\n", inner.stdout
assert outer.stdout == "outer before\nouter after\n", outer.stdout
assert third.stdout == "third\n", third.stdout
print("end")
