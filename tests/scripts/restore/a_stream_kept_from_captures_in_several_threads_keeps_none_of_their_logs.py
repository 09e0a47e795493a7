"""A stream kept from captures in several threads keeps none of their logs."""

import gc
import os
import sys
import threading

from helpers.scripts import warm_up

from ipyfdcapture import capture_fd

warm_up()


def files():
    return [name for _, _, names in os.walk(os.environ["TMPDIR"]) for name in names]


before = files()
kept = []


def nested(depth):
    with capture_fd() as logs:
        kept.append(sys.stdout)
        print("in", depth)
        if depth:
            thread = threading.Thread(target=nested, args=(depth - 1,))
            thread.start()
            thread.join()
    assert logs.stdout == f"in {depth}\n", logs.stdout


nested(3)

gc.collect()
assert files() == before, files()
for n, stream in enumerate(kept):
    print("kept", n, file=stream, flush=True)
    with capture_fd() as logs:
        print("again", n, file=stream, flush=True)
    assert logs.stdout == f"again {n}\n", logs.stdout
