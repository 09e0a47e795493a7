"""A helper that dies after the cell still serves a child that lives on."""

import subprocess
import warnings

from helpers.process import await_end
from helpers.scripts import kill_helper

from ipyfdcapture import capture_fd

warnings.simplefilter("ignore")
with capture_fd() as logs:
    child = subprocess.Popen(
        ["sh", "-c", "while read line; do echo got $line; done; echo eof"],
        stdin=subprocess.PIPE,
        text=True,
    )
    child.stdin.write("one\n")
    child.stdin.flush()
await_end(kill_helper())
child.stdin.write("two\n")
child.stdin.close()
assert child.wait(30) == 0, child.returncode
assert logs.wait(30)
assert logs.stdout == "got one\ngot two\neof\n", logs.stdout
print("end")
