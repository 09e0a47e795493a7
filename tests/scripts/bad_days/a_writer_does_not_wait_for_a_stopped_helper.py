"""The helper is stopped amid a cell that writes more than a pipe holds."""

import os
import signal
import warnings

from helpers.process import the_pump

from ipyfdcapture import capture_fd
from ipyfdcapture.drain import channel, watcher

watcher._LOOK_S, channel.ANSWER_S = 0.3, 1.0
with capture_fd() as logs:
    print("warm")
helper = the_pump(os.getpid()).pid
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    with capture_fd() as logs:
        os.write(1, b"before\n")
        os.kill(helper, signal.SIGSTOP)
        for number in range(50):
            os.write(1, b"%d" % (number % 10) * 99_999 + b"\n")
    text = logs.text
expected = "before\n" + "".join(f"{number % 10}" * 99_999 + "\n" for number in range(50))
assert text == expected, len(text)
assert len(told) == 1 and "a thread has taken over" in str(told[0].message), told
print("end")
