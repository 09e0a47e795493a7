"""A fork comes as a thread of a live target is amid something, and the child leaves the block."""

import gc
import os
import signal
import threading

from ipyfdcapture import capture_thread
from ipyfdcapture.live.follower import Follower

child = -1
with capture_thread(on_line=lambda line: None):
    print("one line")
    (follower,) = (each for each in gc.get_objects() if isinstance(each, Follower))
    held, forked = threading.Event(), threading.Event()

    def hold() -> None:
        with follower._turn:  # as its thread does for moments
            held.set()
            forked.wait(30)

    holding = threading.Thread(target=hold)
    holding.start()
    held.wait(30)
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # which ends it, if it waits
    forked.set()
    if child:
        holding.join()
        assert os.waitpid(child, 0)[1] == 0
if child == 0:
    os.write(1, b"child\n")
    os._exit(0)
print("end")
