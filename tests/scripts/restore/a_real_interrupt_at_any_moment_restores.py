"""A real interrupt at any moment restores."""

import os
import random
import signal
import sys

from helpers.interrupts import Interrupter
from helpers.leaks import fd_target, settled_difference, snapshot
from helpers.scripts import warm_up

import ipyfdcapture
from ipyfdcapture import capture_fd

warm_up()


def capture():
    if sys.argv[1] == "FdCapture":
        return ipyfdcapture.FdCapture(1, callback=lambda line: None)
    return capture_fd(drain=sys.argv[1])


kind = {"SIGINT": KeyboardInterrupt, "SIGALRM": TimeoutError}[sys.argv[3]]
interrupter = Interrupter(signal.Signals[sys.argv[3]], kind).__enter__()
before = snapshot()
dice = random.Random(int(sys.argv[2]))
hits = 0
for i in range(int(sys.argv[2])):
    logs = None
    try:
        interrupter.send_after(dice.uniform(1e-5, 1.2e-3))
        with capture() as logs:
            os.write(1, b"in")
        interrupter.await_handled()
    except kind:
        hits += 1
    if isinstance(logs, ipyfdcapture.FdCapture):
        logs.stop()  # whoever holds it can
        logs.captured.close()
    elif logs is not None:
        logs.close()
    del logs
    assert fd_target(1) == before["descriptors"]["1"].split()[0], i
    assert sys.stdout is sys.__stdout__, i
assert hits > 0
print(settled_difference(before))
