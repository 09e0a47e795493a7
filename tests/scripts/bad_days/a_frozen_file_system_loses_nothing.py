"""The file system of the recordings does not answer for a while.

Arguments: what to write, in bytes, and the file that freezes the helper's part of it
(``tests/native/frozen.c``) or the mounted file system that is frozen for all.
"""

import os
import subprocess
import sys
import warnings

from ipyfdcapture import capture_fd

warnings.simplefilter("ignore")
size, where = int(sys.argv[1]), sys.argv[2]
is_mounted = os.path.ismount(where)
with capture_fd() as logs:
    print("warm")
logs.close()
with capture_fd(drain="process") as logs:
    os.write(1, b"before\n")
    assert logs.text == "before\n"
    subprocess.run(["fsfreeze", "-f", where] if is_mounted else ["touch", where], check=True)
    if is_mounted:  # this process waits as well, and nothing tells when
        thaw = subprocess.Popen(["sh", "-c", f"sleep 1; fsfreeze -u {where}"])
    left = size
    while left:
        left -= os.write(1, b"x" * min(left, 1 << 16))
if is_mounted:
    thaw.wait()
else:
    os.unlink(where)  # the capture has ended before that
assert logs.wait(60)
assert logs.raw == b"before\n" + b"x" * size, len(logs.raw)
assert logs.dropped == 0
print("end")
