"""A child that closed all descriptors keeps the files that it then opened."""

import os
import sys

from ipyfdcapture import capture_fd

with capture_fd(drain=sys.argv[1]) as logs:
    child = os.fork()
    if not child:
        os.closerange(3, 1000)
        files = [open(f"file{number}", "w+b") for number in range(40)]
if not child:
    print("from the child", flush=True)
    for file in files:
        file.write(b"its own")
        file.flush()
        assert open(file.name, "rb").read() == b"its own"
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
