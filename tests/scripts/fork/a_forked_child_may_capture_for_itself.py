"""A forked child may capture for itself."""

import os
import sys

from ipyfdcapture import capture_fd

with capture_fd(drain=sys.argv[1]) as logs:
    print("parent")
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            with capture_fd(drain=sys.argv[1]) as mine:
                print("taken by the child")
                os.write(1, b"native\n")
            print("child saw", repr(mine.stdout), flush=True)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
saw = repr("taken by the child\nnative\n")
assert logs.stdout == f"parent\nchild saw {saw}\n", logs.stdout
