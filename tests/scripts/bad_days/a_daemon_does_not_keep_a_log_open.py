"""A daemon that leads its three descriptors elsewhere, as the textbook says."""

import os
import signal
import sys
import warnings

from ipyfdcapture import capture_fd

# From Python 3.12 on, a process with several threads is warned at a fork.
warnings.simplefilter("ignore", DeprecationWarning)
woken, wake = os.pipe()
os.set_inheritable(wake, True)
with capture_fd(drain=sys.argv[1]) as logs:
    print("start")
    child = os.fork()
    if not child:
        os.setsid()
        if os.fork():
            os._exit(0)
        print("still here", flush=True)
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.write(wake, b"%d " % os.getpid())
        signal.pause()
    os.waitpid(child, 0)
daemon = int(os.read(woken, 100))
try:
    assert logs.wait(20), "a daemon that holds nothing of ours keeps the log open"
    assert logs.complete
    assert logs.text == "start\nstill here\n", logs.text
finally:
    os.kill(daemon, signal.SIGKILL)
print("end")
