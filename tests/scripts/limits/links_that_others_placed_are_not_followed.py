"""Links that others placed are not followed."""

import os

from ipyfdcapture import capture_fd

victim = os.path.join(os.getcwd(), "victim")
open(victim, "w").write("untouched")
spool = os.environ["TMPDIR"]
os.chmod(spool, 0o1777)
os.symlink(victim, os.path.join(spool, f"ipyfdcapture-{os.getuid()}-planted"))
os.makedirs(os.path.join(spool, f"ipyfdcapture-{os.getuid()}-open"), mode=0o777)
os.chmod(os.path.join(spool, f"ipyfdcapture-{os.getuid()}-open"), 0o777)
with capture_fd() as logs:
    print("x")
assert logs.stdout == "x\n"
print(open(victim).read())
