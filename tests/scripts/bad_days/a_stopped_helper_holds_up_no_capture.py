"""A helper that is stopped: the end of the capture, a look, and the next capture go on."""

import os
import signal
import sys
import time
import warnings

from helpers.leaks import fd_target
from helpers.process import the_pump

from ipyfdcapture import capture_fd

before = [fd_target(fd) for fd in (1, 2)]
helper = 0
with capture_fd() as logs:
    print("warm")
helper = the_pump(os.getpid()).pid
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    with capture_fd(live=sys.argv[1] or None) as logs:
        os.kill(helper, signal.SIGSTOP)
        print("one line")
        os.write(2, b"another\n")
        start = time.monotonic()
    seconds = time.monotonic() - start
    assert seconds < 10, seconds
    assert [fd_target(fd) for fd in (1, 2)] == before
    assert not logs.complete
    repr(logs), logs.text
    with capture_fd() as following:  # by a new helper
        print("next")
    assert following.text == "next\n"
assert len(told) == 1, [str(each.message) for each in told]
assert "does not answer" in str(told[0].message)
os.kill(helper, signal.SIGCONT)
assert logs.wait(30)
assert sorted(logs.text.splitlines()) == ["another", "one line"], logs.text
assert logs.complete
assert logs.dropped == 0
print("end")
