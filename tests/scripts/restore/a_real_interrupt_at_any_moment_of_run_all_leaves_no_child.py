"""A real interrupt at any moment of run all leaves no child."""

import random
import sys

from helpers.interrupts import Interrupter
from helpers.leaks import settled_difference, snapshot
from helpers.scripts import warm_up

import ipyfdcapture

warm_up()
ipyfdcapture.run_all([["true"]])
interrupter = Interrupter().__enter__()
before = snapshot()
dice = random.Random(2)
hits = 0
for _ in range(int(sys.argv[1])):
    try:
        interrupter.send_after(dice.uniform(1e-4, 8e-3))
        ipyfdcapture.run_all([["sleep", "0.001"]] * 3)
        interrupter.await_handled()
    except KeyboardInterrupt:
        hits += 1
assert hits > 0
print(settled_difference(before))
