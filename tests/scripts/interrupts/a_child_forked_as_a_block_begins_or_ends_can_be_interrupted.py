"""A child forked as a block begins or ends can be interrupted."""

import os
import signal
import sys
import threading

from ipyfdcapture.system import interrupts


def fork():
    child = os.fork()
    if child == 0:
        os._exit(7 if signal.getsignal(signal.SIGINT) is signal.default_int_handler else 1)
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


class Forking:
    calls = 0

    def __getattr__(self, name):
        return getattr(usual, name)

    def signal(self, number, function):
        self.calls += 1
        if self.calls == 1:  # SIGINT is taken
            usual.signal(number, function)
        if self.calls == {"begins": 1, "ends": 2}[sys.argv[1]]:
            thread = threading.Thread(target=fork)
            thread.start()
            thread.join(20)
        if self.calls > 1:
            usual.signal(number, function)


statuses = []
usual, interrupts.signal = interrupts.signal, Forking()  # type: ignore[assignment, attr-defined]
with interrupts.deferred_interrupts():
    pass
print(statuses)
