"""Children that start and end while the helper is stopped: each has its own pipes.

The helper is asked once, before most of them start, and answers when all have ended.
"""

import os
import signal
import warnings

from helpers.process import the_pump

from ipyfdcapture import capture_fd, run_all
from ipyfdcapture.drain import channel

#: So many that the helper has not read all of them when it has answered.
CHILDREN = 50
warnings.simplefilter("ignore")
with capture_fd(drain="process"):
    print("warm")
helper = the_pump(os.getpid()).pid
channel.ANSWER_S = 0.3
commands = [["sh", "-c", f"echo first; kill -STOP {helper}"]]
commands += [["echo", f"child {number}"] for number in range(CHILDREN)]
results, logs = run_all(commands, max_parallel=1)
assert [result.returncode for result in results] == [0] * len(commands)
os.kill(helper, signal.SIGCONT)
assert logs.wait(60)
expected = ["first", *(f"child {number}" for number in range(CHILDREN))]
assert sorted(map(str, logs)) == sorted(expected), logs.text
print("end")
