"""A kept buffer goes on after two threads have captured."""

import sys
import threading

from ipyfdcapture import capture_fd

begun, ended, over = (threading.Event() for _ in range(3))


def other():
    with capture_fd(stderr=False):
        begun.set()
        assert ended.wait(20)


thread = threading.Thread(target=other)
with capture_fd(stderr=False) as logs:
    kept = sys.stdout.buffer
    thread.start()
    assert begun.wait(20)
    kept.write(b"in")
kept.write(b"while the other captures")
ended.set()
thread.join()
kept.write(b"after\n")
print(logs.text, file=sys.stderr)
