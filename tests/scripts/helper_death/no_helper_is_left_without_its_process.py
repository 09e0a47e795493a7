"""No helper is left without its process."""

import os
import sys

from ipyfdcapture import capture_fd

for drain in ("process", "auto"):
    with capture_fd(drain=drain) as logs:
        print("x")
sys.__stdout__.write(str(os.getpid()))
