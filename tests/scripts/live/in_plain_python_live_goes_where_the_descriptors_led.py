"""In plain python live goes where the descriptors led."""

import os
import sys

from ipyfdcapture import capture_fd

for live in ("auto", "terminal", sys.stdout):
    with capture_fd(live=live) as logs:
        print("python")
        os.write(1, b"raw\n")
        os.system("echo child")
    print(logs.nbytes)
