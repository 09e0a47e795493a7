"""A plain process captures as a kernel does."""

import ctypes
import os
import subprocess
import sys

from ipyfdcapture import capture_fd

lib = ctypes.CDLL(sys.argv[1])
print("before")
with capture_fd() as logs:
    print("print")
    lib.say(b"printf\n")
    os.write(1, b"raw\n")
    subprocess.run(["echo", "child"])
    print("err", file=sys.stderr)
assert logs.stdout == "print\nprintf\nraw\nchild\n", logs.stdout
assert logs.stderr == "err\n", logs.stderr
assert [(str(line), line.source, line.number) for line in logs][-1] is not None
assert {line.source for line in logs} == {"stdout", "stderr"}
print("after")
