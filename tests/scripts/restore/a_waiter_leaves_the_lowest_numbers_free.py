"""What waits for descriptors takes none of the numbers 0, 1 and 2 that are closed."""

import os
import select
from types import SimpleNamespace

from helpers import kqueue
from helpers.leaks import open_fds

from ipyfdcapture.system import polling

shown = os.dup(1)
read_end, write_end = os.pipe()
if not hasattr(select, "kqueue"):
    polling._select = SimpleNamespace(**kqueue.NAMES)
for fd in (0, 1, 2):
    os.close(fd)
with polling.KqueueWaiter(closed=[read_end]) as waiter:
    is_open = [fd for fd in (0, 1, 2) if str(fd) in open_fds()]
    os.close(write_end)
    gone = waiter.wait(20)
os.write(shown, b"end\n" if not is_open and gone == {read_end} else repr((is_open, gone)).encode())
