"""A program captures as root, gives up its rights, and captures again."""

import os
import shutil
import tempfile
import warnings

from helpers.wait import eventually

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


def remove(directory: str) -> bool:
    """Remove a directory as far as that goes; return whether it is still there."""
    shutil.rmtree(directory, ignore_errors=True)
    return os.path.exists(directory)


# Not within the directory of the test, which is root's alone.
tempfile.tempdir = directory = tempfile.mkdtemp(dir="/tmp")
os.chmod(directory, 0o777)
child = os.fork()
if not child:
    capture_as_root_and_as_nobody()
    print("end")
    raise SystemExit
_, status = os.waitpid(child, 0)
assert status == 0
# Its helper may just be removing what is there, too.
eventually(lambda: not remove(directory), "the directory to be gone")
