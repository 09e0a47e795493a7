"""Workers of pools have names in a captured program. Argument: how they are started."""

import multiprocessing
import os
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import resource_tracker

from helpers.leaks import open_fds

from ipyfdcapture import capture_fd, named_workers


def write(number, barrier_dir=None):
    """Write by both streams; wait until another worker does so too, if there is one."""
    print("python", number, flush=True)
    os.write(2, b"error %d\n" % number)
    if barrier_dir is not None:
        open(os.path.join(barrier_dir, str(number)), "w").close()
        while len(os.listdir(barrier_dir)) < 2:
            time.sleep(0.01)


def set_up(word):
    os.write(1, word)


def by_source(logs):
    return sorted((line.source, str(line)) for line in logs)


def each_has_its_own(context, directory):
    with capture_fd() as logs:
        named = named_workers(2, initializer=set_up, initargs=(b"ready\n",))
        with ProcessPoolExecutor(2, mp_context=context, **named) as pool:
            list(pool.map(write, range(2), [directory] * 2))
        print("own")
    assert logs.wait(30)
    assert sorted(logs.source("stdout")) == ["own"]
    found = [sorted(logs.source(f"worker-{n}")) for n in (1, 2)]
    assert sorted(found) == [
        ["error 0", "python 0", "ready"],
        ["error 1", "python 1", "ready"],
    ], found


def a_dead_one_s_successor_has_its_name(context):
    with capture_fd() as logs:
        with context.Pool(1, maxtasksperchild=1, **named_workers(1, "solver")) as pool:
            for number in range(2):
                pool.apply(write, (number,))
            pool.close()
            pool.join()
        with context.Pool(2, **named_workers(1, "solver")) as pool:
            pool.close()
            pool.join()
    assert logs.wait(30)
    assert sorted(logs.source("solver-1")) == ["error 0", "error 1", "python 0", "python 1"]


def without_a_capture_nothing_changes():
    assert named_workers(2) == {"initializer": None, "initargs": ()}
    with capture_fd() as logs:
        named = named_workers(1)
    # The capture is over: a worker writes where it would.
    with ProcessPoolExecutor(1, **named) as pool:
        assert pool.submit(os.write, 1, b"to the terminal\n").result() == 16
    assert logs.wait(30)
    assert logs.text == ""


if __name__ == "__main__":
    # Python 3.12 warns of forks beside threads, of which this program's drain may have one.
    warnings.simplefilter("ignore", DeprecationWarning)
    way, directory = sys.argv[1:]
    context = multiprocessing.get_context(way)
    resource_tracker.ensure_running()  # it lives as long as this process, and keeps what it has
    each_has_its_own(context, directory)
    if way == "fork":  # each worker that is spawned takes half a second
        a_dead_one_s_successor_has_its_name(context)
    without_a_capture_nothing_changes()
    # What multiprocessing itself keeps differs between its versions.
    assert not [name for name in os.listdir(tempfile.gettempdir()) if "-pool-" in name]
    assert not [path for path in open_fds().values() if "-pool-" in path]
    print("end")
