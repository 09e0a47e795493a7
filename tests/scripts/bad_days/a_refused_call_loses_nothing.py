"""A system call that the program can do without is refused, as seccomp sandboxes do."""

import os
import sys

from helpers import sandbox

from ipyfdcapture import capture_fd

call, number, drain = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sandbox.refuse(call, number)
with capture_fd(drain=drain) as logs:
    print("printed")
    os.write(1, b"x" * 3_000_000 + b"\n")
assert logs.text == "printed\n" + "x" * 3_000_000 + "\n", len(logs.text)
assert logs.dropped == 0
with capture_fd(drain=drain, max_bytes=1000) as limited:
    os.write(1, b"y" * 5_000_000)
assert limited.nbytes == 1000, limited.nbytes
assert limited.text.strip("y").strip() == "", limited.text
limited.close()
print("end")
