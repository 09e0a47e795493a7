"""An interrupt comes amid what is done before a fork, or after it. Argument: which."""

import os
import signal
import sys
import time

import ipyfdcapture.system.interrupts  # noqa: F401
from ipyfdcapture.system.forking import Stage, at_fork


def interrupt():
    signal.raise_signal(signal.SIGINT)


at_fork(Stage.STATE, **{sys.argv[1]: interrupt})
unraisable = []
sys.unraisablehook = unraisable.append
try:
    if not os.fork():
        time.sleep(0.1)  # the interrupt is its parent's
        os._exit(7 if signal.getsignal(signal.SIGINT) is signal.default_int_handler else 1)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        time.sleep(0.01)
except KeyboardInterrupt:
    print("interrupted", unraisable)
print(os.waitstatus_to_exitcode(os.wait()[1]))
