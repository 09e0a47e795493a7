"""A child of a child is captured."""

import os
import subprocess
import sys

from ipyfdcapture import capture_fd

with capture_fd(drain=sys.argv[1]) as logs:
    child = os.fork()
    if not child:
        grandchild = os.fork()
        if not grandchild:
            os.write(1, b"grandchild\n")
            os._exit(0)
        os.waitpid(grandchild, 0)
        subprocess.run(["echo", "great-grandchild"])
        os._exit(0)
    os.waitpid(child, 0)
assert logs.stdout == "grandchild\ngreat-grandchild\n", logs.stdout
