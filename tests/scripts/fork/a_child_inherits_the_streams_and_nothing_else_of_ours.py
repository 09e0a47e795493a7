"""A child inherits the streams and nothing else of ours."""

import os
import subprocess
import sys

from ipyfdcapture import capture_fd

code = "import os; print(*sorted(os.listdir('/dev/fd'), key=int))"
list_fds = [sys.executable, "-c", code]
before = subprocess.run(list_fds, close_fds=sys.argv[2] == "True", stdout=subprocess.PIPE).stdout
kind = sys.argv[1]
with capture_fd(drain=kind, merge=True) as outer, capture_fd(drain=kind) as logs:
    subprocess.run(list_fds, close_fds=sys.argv[2] == "True")
assert logs.raw.split() == before.split(), (logs.raw, before)
with capture_fd(drain=sys.argv[1]) as logs:
    os.system("ls /dev/fd | sort -n")
assert logs.raw.split() in ([b"0", b"1", b"2"], [b"0", b"1", b"2", b"3"]), logs.raw
