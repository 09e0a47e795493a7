"""What Python calls by itself, where objects of ours go, is what bears an interrupt."""

import sys

from helpers.deaths import called_by_python
from helpers.scripts import hold, warm_up

from ipyfdcapture import capture_fd, capture_thread

warm_up()
if sys.argv[1] == "ended":
    held = capture_fd()
    with held:
        print("one line")
elif sys.argv[1] == "thread":
    with capture_thread() as held:  # type: ignore[assignment]
        print("one line")
else:
    held = hold(sys.argv[1])  # type: ignore[assignment]
with called_by_python() as names:
    del held
print(set(names))
