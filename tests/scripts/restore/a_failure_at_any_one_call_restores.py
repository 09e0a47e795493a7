"""A failure at any one call restores."""

import errno
import os
import pkgutil
import sys
import warnings

from helpers.leaks import difference, fd_target, snapshot
from helpers.scripts import inject, warm_up

from ipyfdcapture import CaptureError, capture_fd

warnings.simplefilter("ignore")


def error():
    if "Thread" in sys.argv[1]:
        return RuntimeError("can't start new thread")
    return OSError(errno.EMFILE, "Too many open files")


def visible():
    hooks = snapshot()
    return {
        "fds": [fd_target(fd) for fd in (0, 1, 2)],
        "count": len(hooks["descriptors"]),
        "hooks": hooks["hooks"],
        "threads": len(hooks["threads"]),
    }


warm_up()
base = visible()
happened = 0
where, _, name = sys.argv[1].rpartition(".")
owner = pkgutil.resolve_name(where)
for drain in ("auto", "thread"):
    warm_up()
    for nth in range(1, 60):
        state, undo = inject(owner, name, nth, error)
        logs = None
        try:
            try:
                with capture_fd(drain=drain) as logs:
                    os.write(1, b"in") if "write" not in sys.argv[1] else print("in", end="")
            finally:
                undo()
        except (CaptureError, OSError, RuntimeError) as caught:
            outcome = type(caught).__name__
        else:
            outcome = "ok"
        if logs is not None:
            text = logs.stdout
            if outcome == "ok":
                assert text == "in", (nth, text)
            logs.close()
        del logs
        now = visible()
        # A new helper may have been started; nothing else may differ.
        for part in ("fds", "hooks"):
            changed = difference({part: base[part]}, {part: now[part]})
            assert not changed, (drain, nth, outcome, changed)
        with capture_fd() as again:
            os.write(1, b"works again")
        assert again.stdout == "works again", (drain, nth, outcome, again.stdout)
        again.close()
        if not state["failed"]:
            break
        happened += 1
warm_up()
assert visible()["count"] <= base["count"] + 2, (visible(), base)
print("failed", happened)
