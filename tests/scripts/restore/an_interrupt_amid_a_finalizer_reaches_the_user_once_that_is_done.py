"""An interrupt amid a finalizer reaches the user once that is done."""

import os
import select
import signal
import sys

from helpers.leaks import settled_difference, snapshot
from helpers.report import show
from helpers.scripts import hold, warm_up

from ipyfdcapture.recording import recording

warm_up()
sys.unraisablehook = lambda _: show("lost")
before = snapshot()
usual = recording.remove_recording  # type: ignore[attr-defined]


def interrupted(path):
    signal.raise_signal(signal.SIGINT)
    return usual(path)


recording.remove_recording = interrupted  # type: ignore[attr-defined]
try:
    held = hold(sys.argv[1])
    del held
    select.select([], [], [], 20)
except KeyboardInterrupt:
    show("interrupted")
recording.remove_recording = usual  # type: ignore[attr-defined]
show(settled_difference(before))
os.write(1, open("report.txt", "rb").read())
