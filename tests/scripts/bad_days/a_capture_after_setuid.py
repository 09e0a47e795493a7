"""A program captures as root, gives up its rights, and captures again."""

import os
import shutil
import tempfile
import warnings

from ipyfdcapture import capture_fd


def capture_as_root_and_as_nobody() -> None:
    warnings.simplefilter("ignore")  # its interpreter may be root's alone
    with capture_fd() as logs:
        print("as root")
    as_root = logs.text  # later, the files are root's
    os.setgid(65534)
    os.setuid(65534)
    with capture_fd() as again:
        print("as nobody")
    assert (as_root, again.text) == ("as root\n", "as nobody\n")


# Not within the directory of the test, which is root's alone.
tempfile.tempdir = tempfile.mkdtemp(dir="/tmp")
os.chmod(tempfile.tempdir, 0o777)
child = os.fork()
if not child:
    capture_as_root_and_as_nobody()
    print("end")
    raise SystemExit
_, status = os.waitpid(child, 0)
shutil.rmtree(tempfile.tempdir)
assert status == 0
