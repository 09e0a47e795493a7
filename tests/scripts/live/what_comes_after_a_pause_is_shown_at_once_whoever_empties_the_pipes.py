"""What comes after a pause is shown at once, whoever empties the pipes by then."""

import os
import subprocess
import threading
import warnings

from helpers.process import await_end
from helpers.scripts import kill_helper

from ipyfdcapture import capture_fd

warnings.simplefilter("ignore")
came = threading.Event()
with capture_fd(on_line=lambda line: came.set(), live_interval=3600, drain="process") as logs:
    await_end(kill_helper())
    os.write(1, b"to the thread that has taken over\n")
    assert came.wait(30)
came.clear()
with capture_fd(on_line=lambda line: came.set(), live_interval=3600) as logs:
    child = subprocess.Popen(["sh", "-c", "read line; echo $line"], stdin=subprocess.PIPE)
child.communicate(b"after the end\n")
assert came.wait(30)
assert logs.wait(30)
assert logs.text == "after the end\n"
print("shown")
