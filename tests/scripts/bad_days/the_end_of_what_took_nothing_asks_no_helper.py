"""A helper that is stopped: a capture that took nothing ends without it, shown live or not."""

import os
import signal
import sys
import warnings

from helpers.process import the_pump

from ipyfdcapture import capture_fd

told: list[str] = []
warnings.showwarning = lambda message, *_: told.append(str(message))
lines: list[str] = []
options = {"plain": {}, "live": {"live": "terminal"}, "callback": {"on_line": lines.append}}
with capture_fd() as logs:
    print("warm")
assert logs.text == "warm\n"
helper = the_pump(os.getpid()).pid
with capture_fd(**options[sys.argv[1]]) as logs:  # type: ignore[arg-type]
    os.kill(helper, signal.SIGSTOP)
known = logs.complete, logs.nbytes, list(told)
os.kill(helper, signal.SIGCONT)
assert known == (True, 0, []), known
assert logs.text == "" and logs.dropped == 0
assert told == lines == [], (told, lines)
assert the_pump(os.getpid()).pid == helper
print("end")
