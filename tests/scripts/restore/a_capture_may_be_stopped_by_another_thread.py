"""A capture may be stopped by another thread."""

import threading

from helpers.leaks import no_leaks
from helpers.scripts import warm_up

from ipyfdcapture import capture_fd

warm_up()
with no_leaks():
    capture = capture_fd()
    logs = capture.__enter__()
    print("in")
    thread = threading.Thread(target=capture.__exit__, args=(None, None, None))
    thread.start()
    thread.join()
    assert logs.stdout == "in\n"
    logs.close()
    del capture, logs, thread
print("restored")
