"""Other descriptors can be captured too."""

import os

from ipyfdcapture import capture_fd

extra = os.open("extra.txt", os.O_WRONLY | os.O_CREAT)
with capture_fd(fds=[extra]) as logs:
    os.write(extra, b"to the extra\n")
    os.write(1, b"to stdout\n")
os.write(extra, b"to the file\n")
assert sorted(logs.text.splitlines()) == ["to stdout", "to the extra"], logs.text
assert logs.stdout == "to stdout\n"
assert open("extra.txt").read() == "to the file\n"
print("done")
