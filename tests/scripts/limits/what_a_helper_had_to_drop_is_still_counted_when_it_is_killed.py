"""What a helper had to drop is still counted when it is killed."""

import os
import signal
import sys
import warnings

from helpers.process import await_end, the_pump
from helpers.sandbox import limit_file_size

from ipyfdcapture import capture_fd
from ipyfdcapture.recording.writer import CHUNK_BYTES

warnings.simplefilter("ignore")
limit_file_size(1_000_000)
data = bytes(range(256)) * 100
for times in range(1, 4):
    with capture_fd(drain="process") as logs:
        helper = the_pump(os.getpid()).pid
        for _ in range(200):
            os.write(1, data)
        if sys.argv[1] == "False":
            logs.nbytes  # what was written is dropped by now
        os.kill(helper, signal.SIGKILL)
        await_end(helper)
        for _ in range(times):
            os.write(1, data)
    total = (200 + times) * len(data)
    kept = len(logs.raw)
    assert logs.raw == (data * 400)[:kept], "what was kept is spoiled"
    assert 500_000 < kept <= 1_000_000, kept
    # It notes what it is about to drop: killed in between, it has told of a chunk too much.
    most = CHUNK_BYTES if sys.argv[1] == "True" else 0
    extra = logs.dropped - (total - kept)
    assert 0 <= extra <= most, extra
    print("too large" in repr(logs))
