"""A child that outlives its capture: no hang-up, late output in the log, its end is no error."""

import subprocess
import sys

from ipyfdcapture import capture_fd

CHILD = """
import os, signal, sys
for name in ("SIGHUP", "SIGTTOU", "SIGTTIN", "SIGPIPE"):
    signal.signal(getattr(signal, name), lambda n, f: os.write(1, b"signal %d\\n" % n))
sys.stdin.readline()
print("late", os.isatty(1), flush=True)
sys.stdin.readline()
print("last", flush=True)
"""

drain = sys.argv[1]
for own_session in (False, True):
    with capture_fd(tty=True, drain=drain) as logs:
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, start_new_session=own_session
        )
        print("in time")
    assert logs.stdout == "in time\n" and not logs.complete
    child.stdin.write(b"\n")
    child.stdin.flush()
    while "late" not in logs.stdout:
        assert not logs.wait(0.02)
    child.stdin.write(b"\n")
    child.stdin.close()
    assert logs.wait(20) and logs.complete
    assert child.wait() == 0
    assert logs.stdout == "in time\nlate True\nlast\n", logs.stdout
    # One that nobody keeps: the child ends as if nothing had happened.
    with capture_fd(tty=True, drain=drain) as logs:
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, start_new_session=own_session
        )
    logs.close()
    del logs
    child.stdin.write(b"\n\n")
    child.stdin.close()
    assert child.wait() == 0
