"""Kills at random moments of a flood lose nothing."""

import os
import random
import re
import signal
import sys
import threading
import time
import warnings

from helpers.leaks import settled_difference, snapshot
from helpers.process import await_end, the_pump
from helpers.scripts import load_writer

from ipyfdcapture import capture_fd

lib = load_writer(sys.argv[1])
warnings.simplefilter("ignore")
dice = random.Random(11)
lines = 40_000
expected = {fd: "".join(f"line{fd} {i}\n" for i in range(lines)) for fd in (1, 2)}
times = int(sys.argv[2])
with capture_fd(drain="process") as logs:
    print("warm")
logs.close()
the_pump(os.getpid())
before = snapshot()
late = 0
for n in range(times):
    with capture_fd() as logs:
        helper = the_pump(os.getpid()).pid
        threads = [
            threading.Thread(target=lib.write_lines, args=(fd, b"line%d" % fd, lines))
            for fd in (1, 2)
        ]
        [t.start() for t in threads]
        until = time.monotonic() + dice.uniform(0, 0.04)
        while time.monotonic() < until:
            pass
        late += not any(t.is_alive() for t in threads)
        os.kill(helper, signal.SIGKILL)
        [t.join() for t in threads]
    assert logs.stdout == expected[1], (n, len(logs.stdout), len(expected[1]))
    assert logs.stderr == expected[2], (n, len(logs.stderr), len(expected[2]))
    assert logs.dropped == 0 and logs.complete
    await_end(helper)
    logs.close()
    del logs, threads
with capture_fd() as logs:
    print("after")
assert logs.stdout == "after\n"
logs.close()
del logs
the_pump(os.getpid())
assert late < times
# The last helper has a control socket and a watcher of its own.
changed = re.compile(r"'(socket|pipe):.* became '\1:")
left = [line for line in settled_difference(before) if not changed.search(line)]
print(left)
