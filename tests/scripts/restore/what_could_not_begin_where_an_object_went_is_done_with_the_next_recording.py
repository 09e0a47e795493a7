"""The last reference to a capture or a log goes where no function can be called any more."""

import subprocess
import sys
import weakref

from helpers.leaks import difference, settled_difference, snapshot
from helpers.scripts import hold, warm_up

warm_up()
failed: list[str] = []
sys.unraisablehook = lambda fault: failed.append(type(fault.exc_value).__name__)
before = snapshot()
children: list[subprocess.Popen[bytes]] = []


def drop(things: list[object], depth: int) -> None:
    """Let go of things so many calls deep."""
    if depth:
        drop(things, depth - 1)
    else:
        things.clear()


def is_possible(depth: int) -> bool:
    """Tell whether a callback of a weak reference that is written in C can be called there."""
    thing, called = {0}, []  # type: ignore[var-annotated]
    reference = weakref.ref(thing, called.append)
    things: list[object] = [thing]
    del thing
    try:
        drop(things, depth)
    except RecursionError:
        return False
    return called == [reference]


held: list[object] = [
    hold(sys.argv[1], lambda: children.append(subprocess.Popen(["cat"], stdin=subprocess.PIPE)))
]
deepest = max(filter(is_possible, range(sys.getrecursionlimit())))
failed.clear()
drop(held, deepest)
children.pop().communicate()
assert failed, "it could begin"
assert len(difference(before, snapshot())) >= 3
warm_up()
print(settled_difference(before))
