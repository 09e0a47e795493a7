"""A stopped capture can be stopped again."""

import os

from ipyfdcapture import capture_fd

capture = capture_fd()
logs = capture.__enter__()
os.write(1, b"in")
capture.__exit__(None, None, None)
capture.__exit__(None, None, None)
os.write(1, b"out\n")
assert logs.stdout == "in"
