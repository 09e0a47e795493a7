"""The helper process: ``python -I -S -E drain/__main__.py [orphan] FD OWNER``.

FD is its end of the control socket, OWNER the process that it serves. With ``orphan`` it goes on in
a child, and ends itself. It is run by its path, and stands in for the package's ``__init__`` with
an empty module, so that it starts in milliseconds and imports nothing of IPython, nor of the user's
environment.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from types import ModuleType

#: Has it become an orphan by itself.
ORPHAN = "orphan"


def _stand_in_for_the_package() -> None:
    """Let relative imports find the rooms, without running the package's ``__init__``."""
    package = ModuleType("ipyfdcapture")
    package.__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
    sys.modules["ipyfdcapture"] = package
    globals()["__package__"] = "ipyfdcapture.drain"


def main(control: int, owner: int) -> None:
    """Empty the pipes of process ``owner``, which are handed over the socket ``control``."""
    _stand_in_for_the_package()
    from .pump import Pump, raise_descriptor_limit

    # An interrupt is for the kernel; a write to a closed terminal must not end the helper.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")  # a directory of the user's can be removed or unmounted
    raise_descriptor_limit()
    Pump(socket.socket(fileno=control), owner=owner).run()


if __name__ == "__main__":
    *how, fd, owner = sys.argv[1:]
    if how == [ORPHAN] and os.fork():
        os._exit(0)
    main(int(fd), int(owner))
