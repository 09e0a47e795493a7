"""Captures may be stopped in any order."""

import os
import sys

from helpers.leaks import no_leaks
from helpers.scripts import warm_up

from ipyfdcapture import capture_fd

warm_up()
with no_leaks():
    captures = [capture_fd(drain=sys.argv[1]) for _ in range(3)]
    logs = []
    for n, capture in enumerate(captures):
        logs.append(capture.__enter__())
        os.write(1, b"started %d\n" % n)
        print("printed", n)
    expected = [f"started {n}\nprinted {n}\n" for n in range(3)]
    active = [0, 1, 2]
    for n in map(int, sys.argv[2].split()):
        captures[n].__exit__(None, None, None)
        active.remove(n)
        text = f"after {n}\n"
        os.write(1, text.encode())
        print(text, end="")
        sys.stdout.flush()
        if active:
            expected[active[-1]] += text * 2
    found = [log.stdout for log in logs]
    assert found == expected, (found, expected)
    for log in logs:
        log.close()
    del logs, log, captures, capture
print("restored")
