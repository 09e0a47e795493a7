"""In a plain process late output goes to the original after its end."""

import os
import subprocess
import sys

from ipyfdcapture import capture_fd

with capture_fd(drain=sys.argv[1]) as logs:
    child = subprocess.Popen(["sh", "-c", "read line < go; echo late $line; echo late err >&2"])
    pid = child.pid
open("pid", "w").write(str(pid))
sys.stdout.flush()
os._exit(0)
