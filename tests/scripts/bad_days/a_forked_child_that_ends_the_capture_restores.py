"""A forked child leaves the captured block: 1 and 2 are what they were before."""

import os
import warnings

from helpers.leaks import fd_target

from ipyfdcapture import capture_fd

# From Python 3.12 on, a process with several threads is warned at a fork.
warnings.simplefilter("ignore", DeprecationWarning)
before = fd_target(1)
child = -1
with capture_fd() as logs:
    child = os.fork()
    print("both")
if not child:
    os._exit(0 if fd_target(1) == before else 1)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert status == 0
assert logs.wait(20)
assert logs.text == "both\n" * 2, logs.text
print("end")
