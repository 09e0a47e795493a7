"""A drain started without descriptors leaves their numbers free."""

import subprocess
import sys

from helpers.leaks import open_fds

from ipyfdcapture.drain.choosing import get_drain

drain, *again = sys.argv[1:]
if not again:
    command = f'exec "{sys.executable}" "{__file__}" {drain} again <&- >&- 2>&-'
    sys.exit(subprocess.run(["sh", "-c", command]).returncode)
get_drain(drain)
is_open = [fd for fd in (0, 1, 2) if str(fd) in open_fds()]
open("result.txt", "w").write(repr(is_open))
