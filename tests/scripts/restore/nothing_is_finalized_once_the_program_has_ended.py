"""As Python takes its modules apart, a daemon thread may hold a lock for ever."""

import atexit
import os
import sys
import threading


class Owner:
    pass


@atexit.register  # before the package is imported: called after its own
def end() -> None:
    sys.last_value = Owner()  # type: ignore[assignment]  # one of the first objects that go
    Finalizer(sys.last_value, lock.acquire)
    os.write(1, b"end\n")


from ipyfdcapture.system.finalizers import Finalizer  # noqa: E402

lock = threading.Lock()
lock.acquire()
