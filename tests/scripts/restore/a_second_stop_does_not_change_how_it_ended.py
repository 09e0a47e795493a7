"""A second stop does not change how it ended."""

import contextlib

from ipyfdcapture import capture_fd

capture = capture_fd()
with contextlib.suppress(ZeroDivisionError), capture as logs:
    1 / 0
before = repr(logs)
capture.stop()
print("failed" in before, repr(logs) == before)
