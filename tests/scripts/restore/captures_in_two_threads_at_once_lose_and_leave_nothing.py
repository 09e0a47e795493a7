"""Captures in two threads at once lose and leave nothing."""

import os
import sys
import threading

from helpers.leaks import no_leaks
from helpers.scripts import warm_up

from ipyfdcapture import capture_fd

warm_up()
with no_leaks():
    logs = []

    def work(name, logs):
        for i in range(50):
            with capture_fd(drain=sys.argv[1]) as mine:
                os.write(1, f"{name} {i}\n".encode())
            logs.append(mine)

    outer = capture_fd(drain=sys.argv[1])
    outer_logs = outer.__enter__()
    threads = [threading.Thread(target=work, args=(n, logs)) for n in "abc"]
    [t.start() for t in threads]
    [t.join() for t in threads]
    outer.__exit__(None, None, None)
    # Descriptors belong to the process: a line may be in another thread's capture.
    lines = "".join(log.stdout for log in [*logs, outer_logs]).splitlines()
    assert sorted(lines) == sorted(f"{n} {i}" for n in "abc" for i in range(50))
    for log in [*logs, outer_logs]:
        log.close()
    del logs, log, outer, outer_logs, threads, work
print("restored")
