"""A process started without descriptors can capture."""

import os
import subprocess
import sys

from helpers.leaks import open_fds

from ipyfdcapture import capture_fd

if len(sys.argv) == 1:
    command = f'exec "{sys.executable}" "{__file__}" again <&- >&- 2>&-'
    sys.exit(subprocess.run(["sh", "-c", command]).returncode)

with capture_fd() as logs:
    os.write(1, b"one")
    os.write(2, b"two")
    os.system("echo child")
is_open = [fd for fd in (0, 1, 2) if str(fd) in open_fds()]
open("result.txt", "w").write(repr((logs.stdout, logs.stderr, is_open)))
