"""SIGINT comes just as the directory of named workers was made."""

import os
import signal
import tempfile
from pathlib import Path

from ipyfdcapture import capture_fd, named_workers

mkdtemp = tempfile.mkdtemp


def make_and_interrupt(*args, **kwargs):
    made = mkdtemp(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGINT)
    return made


with capture_fd():
    tempfile.mkdtemp = make_and_interrupt
    try:
        named_workers(2)
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError("not interrupted")
    finally:
        tempfile.mkdtemp = mkdtemp
left = [each.name for each in Path(tempfile.gettempdir()).glob("ipyfdcapture-pool-*")]
assert left == [], left
print("end")
