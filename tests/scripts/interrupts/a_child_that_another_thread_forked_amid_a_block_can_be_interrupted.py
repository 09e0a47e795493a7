"""A child that another thread forked amid a block can be interrupted."""

import os
import signal
import threading

from ipyfdcapture.system.interrupts import deferred_interrupts


def fork():
    child = os.fork()
    if child == 0:
        try:
            signal.raise_signal(signal.SIGINT)
            os._exit(1)
        except KeyboardInterrupt:
            os._exit(7)
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


statuses = []
with deferred_interrupts():
    thread = threading.Thread(target=fork)
    thread.start()
    thread.join(20)
print(statuses)
