"""Fork while locks are held, and write to a file which of them are free in the child."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import warnings
import weakref

from ipyfdcapture.system.forking import fork_safe_lock, is_owned

LIMIT_S = 20
# From Python 3.12 on, a process with several threads is warned at a fork.
warnings.simplefilter("ignore", DeprecationWarning)


def _is_free(lock: threading.RLock) -> bool:
    """Whether another thread can have it."""
    got = []

    def try_it() -> None:
        got.append(lock.acquire(blocking=False))
        if got[0]:
            lock.release()

    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join(LIMIT_S)
    return got == [True]


def _hold(lock: threading.RLock, held: threading.Event, over: threading.Event) -> None:
    with lock:
        held.set()
        over.wait(LIMIT_S)


def main(path: str) -> None:
    others, ours = fork_safe_lock(), fork_safe_lock()
    held, over = threading.Event(), threading.Event()
    thread = threading.Thread(target=_hold, args=(others, held, over))
    thread.start()
    held.wait(LIMIT_S)
    with ours:
        child = os.fork()
        if child == 0:
            found = {
                "held by another, free in the child": _is_free(others),
                "held by the forking thread, held in the child": is_owned(ours)
                and not _is_free(ours),
            }
            ours.release()
            found["free after it was released there"] = _is_free(ours)
            with open(path, "w") as file:
                json.dump(found, file)
            os._exit(0)
        os.waitpid(child, 0)
        with open(path) as file:
            found = json.load(file)
        found["still held in the parent"] = not _is_free(others) and is_owned(ours)
    over.set()
    thread.join(LIMIT_S)
    gone = weakref.ref(others)
    del others, thread
    gc.collect()
    found["one that is gone is forgotten"] = gone() is None
    with open(path, "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(sys.argv[1])
