"""A process that closed all descriptors captures again and keeps its files."""

import gc
import os
import sys

from helpers.scripts import assert_untouched, close_all

from ipyfdcapture import capture_fd

drain = sys.argv[1]
with capture_fd(drain=drain) as first:
    print("first")
files = close_all()
if not os.fork():
    os._exit(0)
os.wait()
for _ in range(3):
    with capture_fd(drain=drain) as logs:
        print("again")
        os.write(1, b"and natively\n")
    assert logs.text == "again\nand natively\n", logs.text
assert first.text == "first\n", first.text
del first, logs
gc.collect()
assert_untouched(files)
print("end")
