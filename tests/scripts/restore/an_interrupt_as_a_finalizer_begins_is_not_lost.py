"""An interrupt comes at the very moment in which Python begins a finalizer."""

import os
import select
import sys

from helpers.deaths import interrupt_as_it_goes
from helpers.leaks import settled_difference, snapshot
from helpers.report import show
from helpers.scripts import hold, warm_up

from ipyfdcapture import Captured

warm_up()
sys.unraisablehook = lambda _: show("lost")
before = snapshot()
held = hold(sys.argv[1])
interrupting = interrupt_as_it_goes(held.recording if isinstance(held, Captured) else held)
try:
    del held
    select.select([], [], [], 20)
except KeyboardInterrupt:
    show("interrupted")
show(settled_difference(before))
os.write(1, open("report.txt", "rb").read())
