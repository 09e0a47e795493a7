"""The end of a forked child does not disturb the parent."""

import os
import sys

from ipyfdcapture import capture_fd

with capture_fd(drain=sys.argv[1]) as logs:
    print("parent before")
    sys.stdout.flush()
    if not os.fork():
        os.write(1, b"child\n")
        exec(sys.argv[2])
    os.wait()
    print("parent after")
    os.write(1, b"native after\n")
assert logs.stdout == "parent before\nchild\nparent after\nnative after\n", logs.stdout
with capture_fd(drain=sys.argv[1]) as again:
    print("next")
assert again.stdout == "next\n" and logs.stdout.startswith("parent before")
print("end")
