"""What an interrupt kept a finalizer from doing is done with the next recording."""

import subprocess
import sys
import weakref

from helpers.leaks import difference, settled_difference, snapshot
from helpers.scripts import hold, warm_up

warm_up()
sys.unraisablehook = lambda _: None
before = snapshot()
children = []
held = hold(sys.argv[1], lambda: children.append(subprocess.Popen(["cat"], stdin=subprocess.PIPE)))
usual, hits = weakref.finalize.__call__, []


def hit_as_it_begins(self, _=None):
    hits.append(self._registry.pop(self))
    raise KeyboardInterrupt


weakref.finalize.__call__ = hit_as_it_begins
del held
weakref.finalize.__call__ = usual
children.pop().communicate()
assert hits and len(difference(before, snapshot())) >= 3, hits
warm_up()
print(settled_difference(before))
