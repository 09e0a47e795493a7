"""A waiter whose descriptors were closed tells so, and leaves others alone."""

import gc
import os
import select
import threading
from types import SimpleNamespace

from helpers import kqueue
from helpers.scripts import assert_untouched, close_all

from ipyfdcapture.system import polling

if not hasattr(select, "kqueue"):
    polling._select = SimpleNamespace(**kqueue.NAMES)


def wait(waiter, told):
    told.append(waiter.wait(60))


for held in (True, False):
    pipes = [os.pipe() for _ in range(2)]
    waiter = polling.KqueueWaiter(closed=[pipes[0][0]], readable=[pipes[1][0]])
    assert waiter.wait(0) == set()
    told = []
    waiting = threading.Thread(target=wait, args=(waiter, told))
    if held:
        waiting.start()
    files = close_all()
    if held:
        waiting.join(60)
        assert told[0]
    assert waiter.wait(60) == {pipes[0][0], pipes[1][0]}
    waiter.close()
    del waiter, waiting
    gc.collect()
    assert_untouched(files)
    for file in files:
        file.close()
print("end")
