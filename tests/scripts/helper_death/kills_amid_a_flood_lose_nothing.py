"""The helper is killed amid a flood, time and again: nothing is lost, and nothing left behind.

Without ``splice``, what the helper has in hand is lost.

Arguments: ``lines``, ``blocks`` or ``terminals``, the library that writes lines, how many kills.
"""

import os
import random
import re
import signal
import sys
import threading
import time
import warnings

from helpers.holes import IS_LOST, assert_kept
from helpers.leaks import settled_difference, snapshot
from helpers.process import await_end, the_pump
from helpers.scripts import load_writer

from ipyfdcapture import capture_fd
from ipyfdcapture.system.pipes import waiting_bytes

kind, library, times = sys.argv[1], load_writer(sys.argv[2]), int(sys.argv[3])
is_terminal = kind == "terminals"
dice = random.Random(11)
warnings.simplefilter("ignore")
LINES = 20_000 if is_terminal else 40_000
# Where pipes are small, a block takes long.
BLOCK, BLOCKS = dice.randbytes(1 << 20), 8 if IS_LOST else 60
if kind == "blocks":
    expected = [BLOCK * BLOCKS, b""]
else:
    expected = ["".join(f"line{fd} {i}\n" for i in range(LINES)).encode() for fd in (1, 2)]


def write_blocks():
    for _ in range(BLOCKS):
        os.write(1, BLOCK)


def writers():
    if kind == "blocks":
        return [threading.Thread(target=write_blocks)]
    return [
        threading.Thread(target=library.write_lines, args=(fd, b"line%d" % fd, LINES))
        for fd in (1, 2)
    ]


def stop_amid_a_move(helper, job, writing):
    """Half of its time, the helper has bytes in hand that are in neither the pipe nor the file."""
    while any(thread.is_alive() for thread in writing):
        os.kill(helper, signal.SIGSTOP)
        if IS_LOST or waiting_bytes(job.transit[0]):
            return True
        os.kill(helper, signal.SIGCONT)
    return False


def kill_amid_a_flood():
    """Tell whether the flood still ran."""
    with capture_fd(drain="process", tty=is_terminal) as logs:
        helper = the_pump(os.getpid()).pid
        writing = writers()
        for thread in writing:
            thread.start()
        until = time.monotonic() + dice.uniform(0, 0.04)
        while time.monotonic() < until:
            pass
        if kind == "blocks":
            is_amid = stop_amid_a_move(helper, logs.recording.writing, writing)
        else:
            is_amid = any(thread.is_alive() for thread in writing)
        os.kill(helper, signal.SIGKILL)
        for thread in writing:
            thread.join()
    for name, all_of_it in zip(("stdout", "stderr"), expected, strict=True):
        assert_kept(logs.source(name).raw, all_of_it)
    assert logs.dropped == 0 and logs.complete
    await_end(helper)
    logs.close()
    return is_amid


def capture_a_line():
    with capture_fd(drain="process", tty=is_terminal) as logs:
        print("a line")
    assert logs.stdout == "a line\n"
    logs.close()
    the_pump(os.getpid())


capture_a_line()
before = snapshot()
caught = sum(kill_amid_a_flood() for _ in range(times))
while not caught:  # on a machine under load, the flood may be over each time
    caught += kill_amid_a_flood()
capture_a_line()
# The last helper has a control socket and a watcher of its own.
changed = re.compile(r"'(socket|pipe):.* became '\1:")
print([line for line in settled_difference(before) if not changed.search(line)])
