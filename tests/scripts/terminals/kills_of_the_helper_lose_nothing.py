"""The helper is killed at random moments while it empties terminals."""

import os
import random
import signal
import sys
import threading
import time
import warnings

from helpers.process import await_end, the_pump
from helpers.scripts import load_writer

from ipyfdcapture import capture_fd

lib = load_writer(sys.argv[1])
warnings.simplefilter("ignore")
dice = random.Random(7)
lines = 20_000
expected = {fd: "".join(f"line{fd} {i}\n" for i in range(lines)) for fd in (1, 2)}
late = 0
times = int(sys.argv[2])
for n in range(times):
    with capture_fd(tty=True) as logs:
        helper = the_pump(os.getpid()).pid
        threads = [
            threading.Thread(target=lib.write_lines, args=(fd, b"line%d" % fd, lines))
            for fd in (1, 2)
        ]
        [t.start() for t in threads]
        until = time.monotonic() + dice.uniform(0, 0.05)
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
assert late < times
print("whole")
