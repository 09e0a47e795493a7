"""A helper that is stopped again and again: each time, the user is told what is missing where."""

import os
import signal
import warnings

from helpers.process import the_pump

from ipyfdcapture import FdCapture, capture_fd
from ipyfdcapture.drain import channel

channel.ANSWER_S = 0.2
told: list[str] = []
warnings.showwarning = lambda message, *_: told.append(str(message))
with capture_fd() as logs:
    print("warm")
helper = the_pump(os.getpid()).pid
for number in range(3):
    told.clear()
    lines: list[str] = []
    with FdCapture(1, lines.append) as capture:
        os.kill(helper, signal.SIGSTOP)
        os.write(1, b"%d\n" % number)
    assert lines == []
    assert len(told) == 2, (number, told)
    assert "does not answer" in told[0] and "callback was not given" in told[1], told
    os.kill(helper, signal.SIGCONT)
    assert capture.captured.wait(30)
    assert capture.captured.text == f"{number}\n"
    assert the_pump(os.getpid()).pid == helper
print("end")
