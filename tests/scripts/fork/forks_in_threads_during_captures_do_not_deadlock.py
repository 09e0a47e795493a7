"""Forks in threads during captures do not deadlock."""

import os
import threading
import warnings

from ipyfdcapture import capture_fd

warnings.simplefilter("ignore")


def fork_often(n):
    for _ in range(30):
        child = os.fork()
        if not child:
            os.write(1, b"c\n")
            os._exit(0)
        os.waitpid(child, 0)


total = 0
threads = [threading.Thread(target=fork_often, args=(n,)) for n in range(3)]
captured = []
with capture_fd() as outer:
    [t.start() for t in threads]
    while any(t.is_alive() for t in threads):
        with capture_fd() as logs:
            print("p")
        captured.append(logs)
    [t.join() for t in threads]
# Characters, not lines: print() writes its line end apart, so another may come between.
text = "".join(log.stdout for log in [*captured, outer])
# A child that writes after its capture has stopped is in the log of the one that runs as well.
copies = [line for log in [*captured, outer] for line in log if "/" in line.source]
assert set(copies) <= {"c"}, copies
whole = len(text) == 2 * (90 + len(copies) + len(captured))
print(text.count("c") - len(copies), text.count("p") == len(captured), whole)
