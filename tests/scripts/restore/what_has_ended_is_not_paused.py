"""What has ended is not paused."""

import os

from helpers.leaks import fd_target, no_leaks
from helpers.scripts import warm_up

from ipyfdcapture import capture_fd

warm_up()
with no_leaks():
    capture = capture_fd()
    capture.pause()
    capture.resume()
    capture.start().close()
    capture.stop()
    others = [os.open("other.txt", os.O_CREAT | os.O_RDWR) for _ in range(8)]
    before = fd_target(1)
    capture.pause()
    capture.resume()
    capture.stop()
    for other in others:
        os.close(other)
    del capture
print(fd_target(1) == before, os.path.getsize("other.txt"))
