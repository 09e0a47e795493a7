"""The spool of a process that becomes another program goes."""

import os
import sys

from ipyfdcapture import capture_fd

with capture_fd(spool_dir=sys.argv[1]) as logs:
    print("before", flush=True)
    assert logs.text
    until_empty = 'while [ "$(ls "$0")" ]; do sleep 0.05; done'
    os.execvp("sh", ["sh", "-c", until_empty, sys.argv[1]])
