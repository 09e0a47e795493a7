"""A capture begins and ends at each depth up to the recursion limit. Argument: the drain."""

import gc
import inspect
import sys

from helpers.leaks import settled_difference, snapshot
from helpers.scripts import warm_up

from ipyfdcapture import capture_fd

unraisable = []
sys.unraisablehook = unraisable.append


def capture_below(calls):
    if calls:
        return capture_below(calls - 1)
    with capture_fd(drain=sys.argv[1]):
        pass
    return True


def capture_with_room_for(calls):
    used = len(inspect.stack(0))
    try:
        return capture_below(sys.getrecursionlimit() - used - calls)
    except RecursionError:
        return False


warm_up()
before, limit = snapshot(), sys.getrecursionlimit()
captured = [capture_with_room_for(calls) for calls in range(1, 60)]
gc.collect()
assert sys.getrecursionlimit() == limit
assert not captured[0] and captured[-1], captured
assert not unraisable, unraisable
left = settled_difference(before)
print(left)
