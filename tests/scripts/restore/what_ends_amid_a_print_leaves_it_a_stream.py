"""A capture that ends in the middle of a `print` leaves that something to write to."""

import contextlib
import gc
import io
import sys

from ipyfdcapture import capture_fd, install_thread_streams, uninstall_thread_streams


class Ending:
    """What ends the capture when it is printed."""

    def __init__(self, end) -> None:
        self._end = end

    def __str__(self) -> str:
        self._end()
        gc.collect()
        self.taken = [io.StringIO() for _ in range(1000)]  # the memory of what went
        return "amid"


texts = []
for _ in range(20):
    with contextlib.redirect_stdout(io.StringIO()) as memory:
        capture = capture_fd()
        logs = capture.start()
        print("in", Ending(capture.stop), "out")
        texts.append((logs.text, memory.getvalue()))
    with contextlib.redirect_stdout(io.StringIO()) as memory:
        install_thread_streams()
        print("in", Ending(uninstall_thread_streams), "out")
        texts.append((memory.getvalue(), ""))
found = set(texts)
sys.stdout.write(f"{sorted(found)}\n")
