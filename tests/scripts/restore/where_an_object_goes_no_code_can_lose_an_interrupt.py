"""What Python calls by itself, where objects of ours go, is what bears an interrupt."""

import subprocess
import sys

from helpers.deaths import called_by_python
from helpers.scripts import hold, warm_up

from ipyfdcapture import capture_fd, capture_thread, popen

warm_up()
if sys.argv[1] == "ended":
    held = capture_fd()
    with held:
        print("one line")
elif sys.argv[1] == "thread":
    with capture_thread() as held:  # type: ignore[assignment]
        print("one line")
elif sys.argv[1] == "children":
    held = capture_fd()
    with held:
        popen(["echo", "one line"], on_line=lambda line: None).wait()
elif sys.argv[1] == "kept":
    with capture_fd() as held:  # type: ignore[assignment]
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)  # which outlives the capture
    child.communicate(b"late")
    assert held.wait(30)  # type: ignore[attr-defined]
else:
    held = hold(sys.argv[1])  # type: ignore[assignment]
with called_by_python() as names:
    del held
print(set(names))
