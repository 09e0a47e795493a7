"""Live targets whose descriptors were closed leave others alone."""

import contextlib
import sys
import time
import warnings

from helpers.scripts import assert_untouched, close_all

from ipyfdcapture import capture_fd


def print_out(line):
    pass


warnings.simplefilter("ignore")
with capture_fd(drain=sys.argv[1], live_interval=0.01, **eval(f"dict({sys.argv[2]})")) as logs:
    print("before", flush=True)
    files = close_all()
    with contextlib.suppress(OSError):
        print("after", flush=True)
    time.sleep(0.1)
assert_untouched(files)
