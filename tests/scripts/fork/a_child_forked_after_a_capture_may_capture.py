"""A child forked after a capture may capture."""

import os

from helpers.scripts import warm_up

from ipyfdcapture import capture_fd

warm_up()
child = os.fork()
with capture_fd() as logs:
    os.write(1, b"from %s" % (b"parent" if child else b"child"))
assert logs.stdout == ("from parent" if child else "from child"), logs.stdout
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
with capture_fd() as logs:
    os.write(1, b"again")
assert logs.stdout == "again"
