"""The system has one terminal left, then none: one line, nothing moved; with more, it works."""

import ctypes
import os
import subprocess
import sys

from helpers.leaks import settled_difference, snapshot
from helpers.scripts import warm_up

from ipyfdcapture import CaptureError, capture_fd

CLONE_NEWNS = 0x20000
MOUNT = "mount --make-rprivate / && mount -t devpts -o newinstance,max={},ptmxmode=666 devpts"
BIND = "mount --bind /dev/pts/ptmx /dev/ptmx"


def limit_terminals(count: int) -> bool:
    """Have so many terminals in all, in this process and its children; tell whether it could."""
    command = f"{MOUNT.format(count)} /dev/pts && {BIND}"
    return subprocess.run(command, shell=True, stderr=subprocess.DEVNULL).returncode == 0


if ctypes.CDLL(None).unshare(CLONE_NEWNS) or not limit_terminals(3):
    print("cannot mount")
    sys.exit()
warm_up(tty=True)
taken = [os.openpty(), os.openpty()]
before, environment = snapshot(), dict(os.environ)
for _ in (1, 0):  # how many are left
    try:
        with capture_fd(tty=True, drain=sys.argv[1]):
            print("not reached")
    except CaptureError as refused:
        assert str(refused) == (
            "cannot capture: the system has no terminal to give "
            "(No space left on device): capture without tty"
        ), refused
    else:
        raise AssertionError("it began")
    assert dict(os.environ) == environment and settled_difference(before) == []
    taken.append(os.openpty()) if len(taken) < 3 else None
    before = snapshot()
while taken:
    for end in taken.pop():
        os.close(end)
with capture_fd(tty=True, drain=sys.argv[1]) as logs:
    print(os.isatty(1))
print(logs.text.strip())
