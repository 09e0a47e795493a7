"""Kills while large blocks are on their way lose nothing."""

import os
import random
import signal
import sys
import threading
import time
import warnings

from helpers.process import the_pump

from ipyfdcapture import capture_fd
from ipyfdcapture.system.pipes import waiting_bytes

warnings.simplefilter("ignore")
dice = random.Random(12)
block = dice.randbytes(1 << 20)
caught = 0
for n in range(int(sys.argv[2])):
    with capture_fd(drain="process") as logs:
        job = logs.recording.writing
        helper = the_pump(os.getpid()).pid
        thread = threading.Thread(target=lambda: [os.write(1, block) for _ in range(60)])
        thread.start()
        until = time.monotonic() + dice.uniform(0, 0.03)
        while time.monotonic() < until:
            pass
        while thread.is_alive():
            os.kill(helper, signal.SIGSTOP)
            if waiting_bytes(job.transit[0]):
                caught += 1
                break
            os.kill(helper, signal.SIGCONT)
        os.kill(helper, signal.SIGKILL)
        thread.join()
    assert logs.raw == block * 60, (n, len(logs.raw))
    logs.close()
print(caught > 0)
