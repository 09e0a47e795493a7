"""Spools of a process that closed all descriptors go with it."""

import os
import sys

from helpers.scripts import close_all

from ipyfdcapture import capture_fd

for _ in range(3):
    with capture_fd(spool_dir=sys.argv[1]):
        pass
    files = close_all()
assert os.listdir(sys.argv[1])
