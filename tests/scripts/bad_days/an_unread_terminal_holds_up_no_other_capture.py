"""What nobody reads, a dead terminal or a full pipe, holds up no later capture."""

import os
import pty
import subprocess
import sys

from helpers.wait import eventually

from ipyfdcapture import capture_fd

kind, drain = sys.argv[1:]
reader, writer = pty.openpty() if kind == "terminal" else os.pipe()
if kind == "non-blocking pipe":
    os.set_blocking(writer, False)
saved = os.dup(1)
os.dup2(writer, 1)  # nobody reads there
with capture_fd(drain=drain) as logs:
    flood = subprocess.Popen(
        ["sh", "-c", "read line; exec yes xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
pipe = os.stat(f"/proc/{flood.pid}/fd/1").st_ino
logs.close()
assert flood.stdin is not None
flood.stdin.write(b"go\n")
flood.stdin.flush()


def stands_still() -> bool:
    with open(f"/proc/{flood.pid}/wchan") as wchan:
        return "pipe" in wchan.read()


eventually(stands_still, "a writer that waits for its reader, as without us")
with capture_fd(drain=drain) as again:
    os.write(1, b"again\n")
assert list(again.source("stdout")) == ["again"]
kept = {str(line) for line in again if line.source != "stdout"}  # it is recorded here meanwhile
assert all(set(line) == {"x"} for line in kept), kept
os.dup2(saved, 1)
flood.kill()
flood.wait()
passed_on = os.read(reader, 4096)
assert set(passed_on) <= set(b"x\r\n") and passed_on, passed_on
os.close(reader)
print("end")
