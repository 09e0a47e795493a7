"""An interrupt at any moment of a pause restores."""

import random
import sys

from helpers.interrupts import Interrupter
from helpers.leaks import settled_difference, snapshot
from helpers.scripts import warm_up

from ipyfdcapture import capture_fd

warm_up()
interrupter = Interrupter().__enter__()
before = snapshot()
dice = random.Random(3)
hits = 0
for _ in range(int(sys.argv[1])):
    capture = capture_fd()
    logs = capture.start()
    try:
        interrupter.send_after(dice.uniform(1e-6, 3e-4))
        for _ in range(3):
            capture.pause()
            capture.resume()
        interrupter.await_handled()
    except KeyboardInterrupt:
        hits += 1
    capture.stop()
    logs.close()
    del capture, logs
assert hits > 0
print(settled_difference(before))
