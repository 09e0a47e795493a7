"""A terminal of a capture becomes nobody's controlling terminal, however it is opened."""

import errno
import os
import subprocess
import sys

from ipyfdcapture import capture_fd

CHILD = """
import errno, os
for name in ("/dev/stdout", "/dev/stderr", os.ttyname(1)):
    os.close(os.open(name, os.O_WRONLY))
open("/dev/stdout", "a").write("by name\\n")
try:
    os.open("/dev/tty", os.O_RDWR)
except OSError as error:
    print(errno.errorcode[error.errno])
"""


def has_controlling_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError as error:
        assert error.errno == errno.ENXIO, error
        return False
    return True


if os.getsid(0) != os.getpid():
    os.setsid()
assert not has_controlling_terminal()
with capture_fd(tty=True, drain=sys.argv[1]) as logs:
    for name in ("/dev/stdout", "/dev/stderr", os.ttyname(1)):
        os.close(os.open(name, os.O_WRONLY))
    assert not has_controlling_terminal()
    subprocess.run([sys.executable, "-c", CHILD], check=True, start_new_session=True)
assert logs.stdout == "by name\nENXIO\n", logs.text
print("alive")
