"""The helper takes names of files as this process does, whatever the environment says."""

import os
import sys
import tempfile

from ipyfdcapture import capture_fd

assert sys.getfilesystemencoding() == "utf-8"
os.environ["LC_ALL"] = sys.argv[1]  # as programs do that change it for their children
place = os.path.join(tempfile.gettempdir(), "caf\u00e9")
with capture_fd(spool_dir=place, max_bytes=1000, drain="process") as logs:
    os.write(1, b"0123456\n" * 1000)
assert (len(logs.raw), logs.dropped) == (1000, 7000), repr(logs)
print("end")
