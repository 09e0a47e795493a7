"""A helper goes with its process though captures were nested."""

import os
import sys

from helpers.process import the_pump

from ipyfdcapture import capture_fd

outer = capture_fd(merge=sys.argv[1] == "True")
outer.__enter__()
for _ in range(3):
    inner = capture_fd(merge=sys.argv[1] == "True")
    inner.__enter__()
    os.write(1, b"words")
open("helper", "w").write(str(the_pump(os.getpid()).pid))
os._exit(0)
