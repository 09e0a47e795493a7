"""A terminal of a capture becomes nobody's controlling terminal, however it is opened."""

import os
import subprocess
import sys

from ipyfdcapture import capture_fd

CHILD = """
import os
for name in ("/dev/stdout", "/dev/stderr", os.ttyname(1)):
    os.close(os.open(name, os.O_WRONLY))
open("/dev/stdout", "a").write("by name\\n")
try:
    os.open("/dev/tty", os.O_RDWR)
except OSError as error:
    print(error.strerror)
"""


def controlling_terminal(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[4]


if os.getsid(0) != os.getpid():
    os.setsid()
assert controlling_terminal(os.getpid()) == "0"
with capture_fd(tty=True, drain=sys.argv[1]) as logs:
    for name in ("/dev/stdout", "/dev/stderr", os.ttyname(1)):
        os.close(os.open(name, os.O_WRONLY))
    assert controlling_terminal(os.getpid()) == "0"
    subprocess.run([sys.executable, "-c", CHILD], check=True, start_new_session=True)
assert logs.stdout == "by name\nNo such device or address\n", logs.text
print("alive")
