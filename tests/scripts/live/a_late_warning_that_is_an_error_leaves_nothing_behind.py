"""What a callback raises after the end of the capture is told in its thread, where it may raise."""

import subprocess
import threading
import warnings

from helpers.leaks import settled_difference, snapshot

from ipyfdcapture import capture_fd

warnings.simplefilter("error")
raised: list[str] = []
threading.excepthook = lambda fault: raised.append(str(fault.exc_value))


def fail(line: str) -> None:
    raise ValueError("no line is good enough")


with capture_fd() as logs:
    print("warm")
logs.close()
before = snapshot()
with capture_fd(on_line=fail) as logs:
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
threads = [each for each in threading.enumerate() if each.name == "ipyfdcapture-on_line"]
child.communicate(b"late\n")
for thread in threads:
    thread.join(30)
assert logs.wait(30)
logs.close()
del threads, thread
assert len(raised) == 1 and "no line is good enough" in raised[0], raised
assert settled_difference(before) == []
print("end")
