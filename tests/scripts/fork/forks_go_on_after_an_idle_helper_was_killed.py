"""Forks go on after an idle helper was killed."""

import os

from helpers.process import await_end, the_pump

from ipyfdcapture import capture_fd

with capture_fd() as logs:
    print("before")
pump = the_pump(os.getpid())
pump.kill()
await_end(pump.pid)
with capture_fd() as later:
    print("after")
for _ in range(3):
    if not os.fork():
        os._exit(0)
    os.wait()
print(logs.text + later.text, end="")
