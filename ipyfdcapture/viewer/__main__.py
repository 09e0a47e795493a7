"""The scan process: ``python -I -S -E viewer/__main__.py FD``, where FD is its end of a socket.

It runs this file by its path and stands in for the package's ``__init__`` with an empty module, as
the helper of the drain does: nothing of IPython is imported, nor of the user's environment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from types import ModuleType

#: The user's cell comes first where there are fewer cores than wishes.
_NICE = 10


def _find_the_package() -> None:
    """Let relative imports find the rooms, without running the package's ``__init__``."""
    directory = os.path.dirname(os.path.abspath(__file__))
    package = ModuleType("ipyfdcapture")
    package.__path__ = [os.path.dirname(directory)]
    sys.modules["ipyfdcapture"] = package
    globals()["__package__"] = "ipyfdcapture.viewer"


def main(control: int) -> None:
    """Scan for the kernel at the other end of ``control``, until it is gone."""
    _find_the_package()
    from .scanner import Scanner
    from .wire import Wire

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the kernel
    os.chdir("/")
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    wire = Wire(socket.socket(fileno=control), reads_meanwhile=True)
    wire.send({"id": 0, "pid": os.getpid()})
    with contextlib.suppress(OSError):
        Scanner(wire).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
